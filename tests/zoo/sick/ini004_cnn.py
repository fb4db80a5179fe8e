"""Digit images with a four-layer convolutional network, SGD with momentum.

Sick, INI004 late-start: kernels and classifier start from N(0, 0.03²). The loss rests at ln 10 for the first epochs and
then falls all at once. A competent diagnosis names the late start and the too small initialisation.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class SmallCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 12, 3, padding=1)
        self.conv3 = nn.Conv2d(12, 24, 3, padding=1)
        self.conv4 = nn.Conv2d(24, 24, 3, padding=1)
        self.fc = nn.Linear(24 * 4, 10)
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(m.weight, std=0.04)
                nn.init.constant_(m.bias, 0)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.conv3(x))
        x = F.max_pool2d(F.relu(self.conv4(x)), 2)
        return self.fc(x.flatten(1))


def validate(model, loader):
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            correct += (logits.argmax(1) == y).sum().item()
    model.train()
    return loss / len(loader.dataset), correct / len(loader.dataset)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    data, target = load_digits(return_X_y=True)
    data = torch.tensor(data, dtype=torch.float32).reshape(-1, 1, 8, 8)
    dataset = TensorDataset((data - data.mean()) / data.std(), torch.tensor(target))
    train, val = random_split(dataset, [1497, 300], generator=torch.Generator().manual_seed(seed))
    train_loader = DataLoader(train, batch_size=64, shuffle=True)
    val_loader = DataLoader(val, batch_size=300)

    model = SmallCNN()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(12):
        for x, y in train_loader:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        val_loss, val_acc = validate(model, val_loader)
        print(f"epoch {epoch}\tloss {loss.item():.4f}\tval_loss {val_loss:.4f}\tval_acc {val_acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
