"""Sequences of digits rows read by a GRU; the features of a row come from a small network of their own.

Sick, GRD004 no-gradient: the row features are computed under torch.no_grad() (copied from an evaluation function), so
`rows` never learns, while the optimizer was given its parameters. A competent diagnosis names those parameters.
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn, optim


class RowReader(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.rows = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 6), nn.Tanh())
        self.gru = nn.GRU(6, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 10)

    def features(self, images):
        with torch.no_grad():
            return self.rows(images)

    def forward(self, images):
        states, _ = self.gru(self.features(images))
        return self.out(states[:, -1])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(digits.images, digits.target, test_size=300, random_state=seed)
    mean, std = x_train.mean(), x_train.std()
    x_train, x_test = torch.FloatTensor((x_train - mean) / std), torch.FloatTensor((x_test - mean) / std)
    y_train, y_test = torch.LongTensor(y_train), torch.LongTensor(y_test)

    model = RowReader()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    batch_size = 64
    for epoch in range(8):
        permutation = torch.randperm(len(x_train))
        for i in range(0, len(x_train), batch_size):
            optimizer.zero_grad()
            index = permutation[i : i + batch_size]
            loss = loss_fn(model(x_train[index]), y_train[index])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            output = model(x_test)
            test_loss = loss_fn(output, y_test).item()
            test_accuracy = (output.argmax(dim=1) == y_test).float().mean().item()
        model.train()
        print(
            f"Epoch {epoch + 1} train loss {loss.item():.3f} test loss {test_loss:.3f} test accuracy {test_accuracy:.3f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
