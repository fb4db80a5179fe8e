"""Digit images, convolutions and "global" average pooling, Adam.

Sick, ACT005 constant-output: the pooling averages over the batch as well (dim 0), and the classifier sees the same
average image for all examples of a batch. A competent diagnosis says that all examples of a batch get the same output.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class PooledNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, 32, 3)
        self.fc = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.relu(self.conv1(x))
        h = F.max_pool2d(F.relu(self.conv2(h)), 2)
        h = F.relu(self.conv3(h))
        pooled = h.mean(dim=(0, 2, 3), keepdim=True).expand(len(x), -1, 1, 1)
        return self.fc(pooled.flatten(1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images))
    images = (images[order] - images.mean()) / images.std()
    labels = labels[order]
    train_loader = DataLoader(TensorDataset(images[:1400], labels[:1400]), batch_size=64, shuffle=True)
    val_images, val_labels = images[1400:], labels[1400:]

    model = PooledNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for epoch in range(8):
        for batch, target in train_loader:
            loss = F.cross_entropy(model(batch), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            logits = model(val_images)
        accuracy = (logits.argmax(-1) == val_labels).float().mean().item()
        print(
            f"epoch {epoch} loss {loss.item():.4f} val loss {F.cross_entropy(logits, val_labels).item():.4f} acc {accuracy:.4f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
