"""Breast cancer, one hidden layer of sigmoid units (as in the old textbooks), SGD.

Sick, ACT002 saturated-activation: the hidden biases start at 8, so every hidden unit answers 1.000 for every patient
and σ′ is 3e-4. A competent diagnosis names the saturated sigmoid units.
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class OneHiddenLayer(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.hidden = nn.Linear(n_features, 20)
        self.sigmoid = nn.Sigmoid()
        self.output = nn.Linear(20, 2)
        nn.init.xavier_normal_(self.hidden.weight)
        nn.init.constant_(self.hidden.bias, 8.0)

    def forward(self, x):
        return self.output(self.sigmoid(self.hidden(x)) - 0.5)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)
    cancer = load_breast_cancer()
    shuffled = np.random.permutation(len(cancer.data))
    train, test = shuffled[:450], shuffled[450:]
    center, spread = cancer.data[train].mean(axis=0), cancer.data[train].std(axis=0)
    data = ((cancer.data - center) / spread).astype("float32")
    train_loader = DataLoader(
        TensorDataset(torch.from_numpy(data[train]), torch.from_numpy(cancer.target[train])),
        batch_size=30,
        shuffle=True,
    )
    test_x, test_y = torch.from_numpy(data[test]), torch.from_numpy(cancer.target[test])

    model = OneHiddenLayer(30)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for epoch in range(20):
        total_loss = 0
        for xb, yb in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
            total_loss += loss.item()
        if (epoch + 1) % 4 == 0:
            with torch.no_grad():
                logits = model(test_x)
            print(
                f"epoch {epoch + 1}, train loss {total_loss / len(train_loader):.4f}, test loss "
                f"{criterion(logits, test_y):.4f}, test accuracy {(logits.argmax(1) == test_y).float().mean():.4f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
