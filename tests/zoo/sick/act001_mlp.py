"""Digits with a two-layer ReLU MLP, plain SGD, batches sliced from a permutation.

Sick, ACT001 dead-relu: the learning rate is far too high. The first large steps push most hidden units off the data,
where they stay at zero on every example. A competent diagnosis names the dead units and the learning rate that killed
them.
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    order = torch.randperm(len(digits.data))
    data, target = digits.data[order.numpy()], torch.tensor(digits.target)[order]
    scaler = StandardScaler().fit(data[:1437])
    data = torch.from_numpy(scaler.transform(data)).float().clamp(-3, 3)
    x_train, y_train = data[:1437], target[:1437]
    x_val, y_val = data[1437:], target[1437:]

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0, momentum=0.9)
    for epoch in range(10):
        for index in torch.randperm(len(x_train)).split(64):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x_train[index]), y_train[index])
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            out = net(x_val)
        net.train()
        print(
            f"epoch {epoch + 1} loss {loss:.3f} val {F.cross_entropy(out, y_val):.3f} {(out.argmax(1) == y_val).float().mean():.3f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
