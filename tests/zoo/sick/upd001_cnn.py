"""Digit images with a small convolutional network and batch normalisation, Adam, DataLoader.

Sick, UPD001 tiny-update: the learning rate was typed as 3e-8 instead of 3e-3. Each of Adam's steps moves a weight by
about a ten-millionth of it. A competent diagnosis names the tiny updates and the learning rate.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.fc = nn.Linear(16 * 4, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        return self.fc(torch.flatten(x, 1))


@torch.no_grad()
def validate(net, loader):
    net.eval()
    correct = sum((net(x).argmax(dim=1) == y).sum().item() for x, y in loader)
    return correct / len(loader.dataset)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    x = (x - x.mean()) / x.std()
    x_train, x_val, y_train, y_val = train_test_split(
        x, torch.tensor(digits.target), test_size=0.2, random_state=seed, stratify=digits.target
    )
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)
    val_loader = DataLoader(TensorDataset(x_val, y_val), batch_size=256)

    net = ConvNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-8)
    for epoch in range(1, 11):
        net.train()
        running = 0.0
        for images, target in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images), target)
            loss.backward()
            optimizer.step()
            running += loss.item()
        print(f"epoch {epoch}: loss {running / len(train_loader):.4f}, accuracy {validate(net, val_loader):.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
