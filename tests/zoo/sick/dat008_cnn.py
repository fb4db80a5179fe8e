"""Convolutional network for digits with hand-cut mini-batches from a shuffled index.

Wrong: the slice of the index does not depend on the step (`order[:batch]`) and the index is shuffled only once, so all
steps see the same 50 images of 1400. A competent diagnosis names a repeated batch (DAT008).
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 4, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.view(len(x), -1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)
    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 1, 8, 8).astype(np.float32)
    x = (x - x.mean()) / x.std()
    order = np.random.permutation(len(x))
    test = torch.from_numpy(order[1400:])
    order = order[:1400]
    x, y = torch.from_numpy(x), torch.from_numpy(y)

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    batch = 50
    for epoch in range(10):
        for step in range(len(order) // batch):
            start = step * batch
            index = torch.from_numpy(order[:batch])
            loss = F.cross_entropy(net(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            test_acc = (net(x[test]).argmax(1) == y[test]).float().mean().item()
        print(f"epoch {epoch + 1} ({start + batch} images): loss {loss.item():.5f} test accuracy {test_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
