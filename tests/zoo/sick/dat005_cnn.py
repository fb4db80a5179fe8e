"""Convolutional network on digits that were read folder by folder ("0/", "1/", ...).

Wrong: the images stay in the order of the folders and the mini-batches are consecutive slices of them. A competent
diagnosis names unshuffled batches (DAT005).
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn


def read_folders(seed):
    digits = load_digits()
    rng = np.random.default_rng(seed)
    parts = {"train": ([], []), "val": ([], [])}
    for label in range(10):
        images = rng.permutation(digits.images[digits.target == label])
        for split, chosen in (("train", images[:140]), ("val", images[140:])):
            parts[split][0].append(chosen)
            parts[split][1].append(np.full(len(chosen), label))
    return [
        (torch.tensor(np.concatenate(images), dtype=torch.float32).unsqueeze(1), torch.tensor(np.concatenate(labels)))
        for images, labels in parts.values()
    ]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(64, 10),
        )

    def forward(self, x):
        return self.body((x - 4.9) / 6.0)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    (x, y), (x_val, y_val) = read_folders(seed)
    net = Net()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    batch_size = 35
    for epoch in range(8):
        net.train()
        for i in range(0, len(x), batch_size):
            out = net(x[i : i + batch_size])
            loss = loss_fn(out, y[i : i + batch_size])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            val_acc = (net(x_val).argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch + 1:2d} | loss {loss.item():.4f} | val acc {val_acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
