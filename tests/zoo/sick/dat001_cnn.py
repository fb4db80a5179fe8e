"""Handwritten digits as dark ink on white paper, classified by a small convolutional network.

Wrong: the scans are inverted (paper is bright), so after dividing by the pixels' standard deviation the inputs have
mean 1.9 and standard deviation 1. Nothing subtracts the mean. A competent diagnosis names uncentred inputs (DAT001).
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
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.fc = nn.Linear(24 * 2 * 2, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    images, labels = load_digits(return_X_y=True)
    paper = 16.0 - images.reshape(-1, 1, 8, 8)
    x = torch.tensor(paper / paper.std(), dtype=torch.float32)
    y = torch.tensor(labels)
    order = torch.tensor(rng.permutation(len(x)))
    train, val = order[:1400], order[1400:]

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(8):
        net.train()
        for idx in train[torch.randperm(len(train))].split(64):
            loss = F.cross_entropy(net(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.inference_mode():
            logits = net(x[val])
            val_loss = F.cross_entropy(logits, y[val]).item()
            val_acc = (logits.argmax(1) == y[val]).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.3f}, val loss {val_loss:.3f}, val acc {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
