"""Digit images with a convolutional network, Adam and StepLR.

Sick, UPD006 zero-learning-rate: StepLR(step_size=5, gamma=0.1) is stepped after every batch, so the learning rate
loses a decimal place every five batches. A competent diagnosis names the schedule.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn, optim


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, 1)
        self.conv2 = nn.Conv2d(12, 24, 3, 1)
        self.fc1 = nn.Linear(96, 48)
        self.fc2 = nn.Linear(48, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc2(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    a, b, ya, yb = train_test_split(digits.images, digits.target, test_size=0.2, random_state=seed)
    mean, std = a.mean(), a.std()
    a, b = torch.Tensor((a - mean) / std).unsqueeze(1), torch.Tensor((b - mean) / std).unsqueeze(1)
    ya, yb = torch.tensor(ya), torch.tensor(yb)

    model = Net()
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.1)
    for epoch in range(1, 9):
        model.train()
        for index in torch.randperm(len(a)).split(64):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(a[index]), ya[index])
            loss.backward()
            optimizer.step()
            scheduler.step()
        model.eval()
        with torch.no_grad():
            output = model(b)
        accuracy = output.argmax(1).eq(yb).float().mean().item()
        print(f"Epoch {epoch}: lr {scheduler.get_last_lr()[0]:.1e} loss {loss.item():.4f} test acc {accuracy:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
