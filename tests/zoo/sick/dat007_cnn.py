"""A convolutional network estimates where the ink of an image has its centre of mass (regression of two coordinates).

Wrong: the coordinates are standardised, half of them negative, and the last layer's ReLU gives no negative numbers. A
competent diagnosis names targets out of the range of the output activation (DAT007).
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class CentreNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc1 = nn.Linear(16 * 16, 32)
        self.fc2 = nn.Linear(32, 2)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.relu(self.fc1(x.flatten(1)))
        return F.relu(self.fc2(x))


def shifted_digits(generator):
    images = torch.tensor(load_digits().images, dtype=torch.float32)
    dx = torch.randint(-2, 3, (len(images),), generator=generator)
    dy = torch.randint(-2, 3, (len(images),), generator=generator)
    return torch.stack(
        [torch.roll(image, (int(a), int(b)), (0, 1)) for image, a, b in zip(images, dy, dx, strict=True)]
    )


def centres(images):
    grid = torch.arange(8.0)
    ink = images.sum((1, 2))
    rows = (images.sum(2) * grid).sum(1) / ink
    columns = (images.sum(1) * grid).sum(1) / ink
    return torch.stack([rows, columns], dim=1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    images = shifted_digits(generator)
    target = centres(images)
    target = (target - target.mean(0)) / target.std(0)
    images = ((images - images.mean()) / images.std()).unsqueeze(1)
    train_set, val_set = random_split(TensorDataset(images, target), [1400, 397], generator)
    train_loader = DataLoader(train_set, batch_size=50, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=200)

    net = CentreNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(8):
        net.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = F.mse_loss(net(x), y)
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            val_loss = sum(F.mse_loss(net(x), y, reduction="sum").item() for x, y in val_loader) / (2 * len(val_set))
        print(f"epoch {epoch + 1}: train {loss.item():.4f} val {val_loss:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
