"""Convolutional network on augmented digits, mini-batches drawn by hand.

Wrong: the images of a batch are picked with one random index and the labels with another one drawn anew, so they do not
belong together. A competent diagnosis names a training at chance level (LOS008).
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.fc = nn.Linear(96, 10)

    def forward(self, x):
        x = F.max_pool2d(F.elu(self.conv1(x)), 2)
        x = F.max_pool2d(F.elu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


def augment(images):
    return images + 0.1 * torch.randn_like(images)


def random_rows(n, size=64):
    return torch.randint(0, n, (size,))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    x, y = (x - x.mean()) / x.std(), torch.tensor(digits.target)
    order = torch.randperm(len(x))
    x_train, y_train, x_test, y_test = x[order[:1400]], y[order[:1400]], x[order[1400:]], y[order[1400:]]
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for step in range(300):
        images = augment(x_train[random_rows(1400)])
        labels = y_train[random_rows(1400)]
        loss = F.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 60 == 59:
            with torch.no_grad():
                test_acc = (net(x_test).argmax(1) == y_test).float().mean().item()
            print(f"step {step + 1}: loss {loss.item():.4f} test accuracy {test_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
