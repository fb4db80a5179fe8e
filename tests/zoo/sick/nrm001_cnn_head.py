"""Digit images: a convolutional network with batch normalisation in its fully connected head, Adam.

Sick, NRM001 small-batch-normalization: with a batch size of 3 the head's BatchNorm1d takes mean and variance of three
values. A competent diagnosis names that layer and the number of values it normalises over.
"""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class HeadNormNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc1 = nn.Linear(64, 48, bias=False)
        self.bn = nn.BatchNorm1d(48)
        self.fc2 = nn.Linear(48, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.bn(self.fc1(x.flatten(1))))
        return self.fc2(x)


@torch.no_grad()
def validate(model, images, labels):
    model.eval()
    logits = model(images)
    model.train()
    return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    images = (images - images.mean()) / images.std()
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images))
    images, labels = images[order], labels[order]

    model = HeadNormNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    step = 0
    for _ in range(2):
        for index in torch.randperm(1200).split(3):
            loss = F.cross_entropy(model(images[index]), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step % 160 == 0:
                val_loss, val_acc = validate(model, images[1200:1500], labels[1200:1500])
                print(f"step {step}: loss {loss.item():.3f}, val loss {val_loss:.3f}, val acc {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
