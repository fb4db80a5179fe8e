"""Digit images with a convolutional network that was meant to have a shortcut, Adam.

Sick, GRD004 no-gradient: `shortcut` and `norm` are created and given to the optimizer, but forward() never uses them; their
gradients stay None. A competent diagnosis names the two submodules whose parameters get no gradient.
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn


class ShortcutBlock(nn.Module):
    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.shortcut = nn.Conv2d(c_in, c_out, 1)
        self.norm = nn.GroupNorm(4, c_out)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        return self.relu(self.conv2(x))


class DigitNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block1 = ShortcutBlock(1, 12)
        self.block2 = ShortcutBlock(12, 24)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(24 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.block1(x))
        x = self.pool(self.block2(x))
        return self.fc(x.flatten(1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None]
    images = (images - images.mean()) / images.std()
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images))
    train, val = order[:1400], order[1400:]

    net = DigitNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(6):
        for batch in train[torch.randperm(1400)].split(56):
            loss = criterion(net(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            logits = net(images[val])
        val_acc = (logits.argmax(1) == labels[val]).float().mean().item()
        print(
            f"epoch {epoch + 1}: loss {loss.item():.4f}, val loss {criterion(logits, labels[val]).item():.4f}, val acc {val_acc:.4f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
