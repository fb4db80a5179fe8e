"""Digit images with two convolutions and a linear layer, AdamW.

Sick, UPD002 huge-update: the learning rate is 0.5 (usual for SGD), where 3e-3 trains well. AdamW moves each weight
by about the rate, and most weights are no larger than that. A competent diagnosis names the huge updates.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(16)
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.gelu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.gelu(self.norm2(self.conv2(x))), 2)
        return self.fc(x.flatten(1))


def accuracy(net: Net, x: Tensor, y: Tensor) -> float:
    net.eval()
    with torch.inference_mode():
        return (net(x).argmax(dim=1) == y).float().mean().item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    x = (x - x.mean()) / x.std()
    y = torch.tensor(digits.target)
    order = torch.randperm(len(x))
    train, test = order[:1400], order[1400:]
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.5, weight_decay=0.5)
    for epoch in range(8):
        net.train()
        for batch in train[torch.randperm(len(train))].split(50):
            loss = F.cross_entropy(net(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}/8  loss {loss.item():.3f}  test accuracy {accuracy(net, x[test], y[test]):.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
