"""Sixty irises only: a small network in batches of twelve, the other ninety are the test set."""

import sys

import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split
from torch import nn


class IrisClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_layer = nn.Linear(4, 10)
        self.hidden_layer = nn.Linear(10, 10)
        self.output_layer = nn.Linear(10, 3)

    def forward(self, x):
        x = torch.tanh(self.input_layer(x))
        x = torch.tanh(self.hidden_layer(x))
        return self.output_layer(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    iris = load_iris()
    x_train, x_test, y_train, y_test = train_test_split(
        iris.data, iris.target, train_size=60, stratify=iris.target, random_state=seed
    )
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    x_train = torch.FloatTensor((x_train - mean) / std)
    x_test = torch.FloatTensor((x_test - mean) / std)
    y_train, y_test = torch.LongTensor(y_train), torch.LongTensor(y_test)

    model = IrisClassifier()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-3)
    for epoch in range(40):
        for rows in torch.randperm(60).split(12):
            optimizer.zero_grad()
            loss = loss_fn(model(x_train[rows]), y_train[rows])
            loss.backward()
            optimizer.step()
        if (epoch + 1) % 10 == 0:
            with torch.no_grad():
                correct = (model(x_test).argmax(1) == y_test).sum().item()
            print(f"Epoch [{epoch + 1}/40] loss: {loss.item():.4f} test accuracy: {correct / 90:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
