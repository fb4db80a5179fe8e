"""Convolutional network with tanh units on the digits, SGD with momentum.

Wrong: the learning rate is 3 (0.05 would do). The loss jumps from 2.3 to over 100 in the first steps and remains far
above its start; it stays finite because the hidden units are bounded. A competent diagnosis names an exploding loss
(LOS002).
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.fc = nn.Linear(24 * 4, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.max_pool2d(torch.tanh(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    x, y = (x - x.mean()) / x.std(), torch.tensor(digits.target)
    order = torch.randperm(len(x))
    train, test = order[:1472], order[1472:]
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=3.0, momentum=0.9)
    losses = []
    for epoch in range(8):
        net.train()
        for idx in train[torch.randperm(len(train))].split(64):
            loss = F.cross_entropy(net(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        net.eval()
        with torch.no_grad():
            test_acc = (net(x[test]).argmax(dim=1) == y[test]).float().mean().item()
        print(f"epoch {epoch}: loss {losses[-1]:.3f} test acc {test_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
