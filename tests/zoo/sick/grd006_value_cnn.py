"""Digit images with a small convolutional network, SGD with momentum, clipping by value.

Sick, GRD006 over-clipped: clip_grad_value_ is called with 1e-5, a hundredth of a usual gradient element, so that all of
them are cut and the network stands still. A competent diagnosis names the clipping threshold.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc1 = nn.Linear(64, 32)
        self.fc2 = nn.Linear(32, 10)
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc2(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    order = torch.randperm(len(digits.images))
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)[order]
    images = (images - images.mean()) / images.std()
    targets = torch.tensor(digits.target)[order]

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(7):
        for index in torch.randperm(1500).split(60):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images[index]), targets[index])
            loss.backward()
            torch.nn.utils.clip_grad_value_(net.parameters(), 1e-5)
            optimizer.step()
        with torch.inference_mode():
            logits = net(images[1500:])
            val_loss = F.cross_entropy(logits, targets[1500:]).item()
        hits = (logits.argmax(1) == targets[1500:]).sum().item()
        print(f"epoch {epoch}: loss {loss.item():.4f}; validation loss {val_loss:.4f}, {hits} of {len(logits)} right")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
