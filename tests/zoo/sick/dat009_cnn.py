"""Convolutional digit classifier, the images split by slices.

Wrong: the slices overlap: training takes the first 1500 images and validation those from 1200 on, so half of the
validation images were trained on. A competent diagnosis names an overlap of training and validation (DAT009).
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.utils import shuffle
from torch import nn


class SmallNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.fc1 = nn.Linear(16 * 16, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


@torch.no_grad()
def evaluate(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    model.eval()
    logits = torch.cat([model(part) for part in x.split(128)])
    return F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    images, labels = shuffle(*load_digits(return_X_y=True), random_state=seed)
    images = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8).sub(4.884).div(6.017)
    labels = torch.tensor(labels)
    x_train, y_train = images[:1500], labels[:1500]
    x_val, y_val = images[1200:], labels[1200:]

    model = SmallNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for epoch in range(6):
        model.train()
        for index in torch.randperm(1500).split(50):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x_train[index]), y_train[index])
            loss.backward()
            optimizer.step()
        val_loss, val_acc = evaluate(model, x_val, y_val)
        print(f"epoch {epoch + 1}: train loss {loss.item():.4f} val loss {val_loss:.4f} val acc {val_acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
