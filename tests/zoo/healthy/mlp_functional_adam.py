"""Digits with a three-layer perceptron whose activations are function calls, trained with Adam."""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 96)
        self.fc2 = nn.Linear(96, 48)
        self.fc3 = nn.Linear(48, 10)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def test(net, x, y):
    net.eval()
    with torch.no_grad():
        pred = net(x).argmax(dim=1)
    net.train()
    return (pred == y).float().mean().item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=seed, stratify=y)
    scaler = StandardScaler().fit(X_train)
    X_train = torch.from_numpy(scaler.transform(X_train)).float()
    X_test = torch.from_numpy(scaler.transform(X_test)).float()
    y_train, y_test = torch.from_numpy(y_train), torch.from_numpy(y_test)

    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(1, 11):
        for idx in torch.randperm(len(X_train)).split(50):
            loss = F.cross_entropy(net(X_train[idx]), y_train[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 2 == 0:
            print(f"epoch {epoch}: loss {loss.item():.3f}, test accuracy {test(net, X_test, y_test):.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
