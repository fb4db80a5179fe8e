"""Digit images: a convolutional backbone and a head, each with an optimizer of its own (SGD and Adam).

Sick, GRD005 accumulated-gradient: in the loop zero_grad() is called on the head's optimizer twice and never on the
backbone's, whose gradients add up from step to step. A competent diagnosis names the backbone's accumulated gradients.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        return F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    data = TensorDataset((images - images.mean()) / images.std(), torch.tensor(digits.target))
    train_data, val_data = random_split(data, [1447, 350])
    train_loader = DataLoader(train_data, batch_size=64, shuffle=True)
    val_loader = DataLoader(val_data, batch_size=350)

    backbone, head = Backbone(), nn.Linear(96, 10)
    backbone_optimizer = torch.optim.SGD(backbone.parameters(), lr=0.05)
    head_optimizer = torch.optim.Adam(head.parameters(), lr=3e-3)
    for epoch in range(8):
        for x, y in train_loader:
            head_optimizer.zero_grad()
            head_optimizer.zero_grad()
            loss = F.cross_entropy(head(backbone(x)), y)
            loss.backward()
            backbone_optimizer.step()
            head_optimizer.step()
        with torch.no_grad():
            for x, y in val_loader:
                logits = head(backbone(x))
                val_loss = F.cross_entropy(logits, y).item()
                val_acc = (logits.argmax(1) == y).float().mean().item()
        print(f"epoch {epoch + 1} loss {loss.item():.3f} val {val_loss:.3f} acc {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
