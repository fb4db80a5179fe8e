"""Digit images with a convolutional network, torch.optim.Adam with weight_decay.

Sick, UPD005 decay-dominates: weight_decay=1 in Adam is added to the gradient, which is much smaller; Adam then
follows the decay and walks the weights to zero. A competent diagnosis names the weight decay.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class ConvNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.classifier = nn.Linear(96, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        return self.classifier(torch.flatten(x, 1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    images = (images - images.mean()) / images.std()
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images))
    train, val = order[:1440], order[1440:]

    net = ConvNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3, weight_decay=1.0)
    for epoch in range(1, 8):
        for index in train[torch.randperm(len(train))].split(60):
            loss = F.cross_entropy(net(images[index]), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            logits = net(images[val])
            val_loss = F.cross_entropy(logits, labels[val]).item()
        accuracy = (logits.argmax(1) == labels[val]).float().mean().item()
        print(f"Epoch {epoch} | loss {loss.item():.4f} | val loss {val_loss:.4f} | val accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
