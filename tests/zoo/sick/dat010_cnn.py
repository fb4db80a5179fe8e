"""A convolutional network estimates how high the ink of a digit lies in its image; the loss is the absolute error.

Wrong: predictions are a column (N, 1) and targets a row of N numbers, and `(output - target).abs().mean()` broadcasts
them to a square without a warning. A competent diagnosis names a broadcast loss (DAT010).
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def l1(output, target):
    return (output - target).abs().mean()


def load(seed):
    rng = np.random.default_rng(seed)
    images = load_digits().images
    images = np.stack([np.roll(image, rng.integers(-1, 2), axis=0) for image in images])
    height = (images.sum(axis=2) @ np.arange(8)) / images.sum(axis=(1, 2))
    height = (height - height.mean()) / height.std()
    images = (images - images.mean()) / images.std()
    return torch.tensor(images, dtype=torch.float32)[:, None], torch.tensor(height, dtype=torch.float32)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load(seed)
    train_loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=70, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[1400:], y[1400:]), batch_size=397)

    model = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, 1),
    )
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    for epoch in range(12):
        for images, target in train_loader:
            output = model(images)
            loss = l1(output, target)
            model.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            val_loss = sum(l1(model(images), target).item() for images, target in val_loader)
        print(f"epoch {epoch + 1}: {loss.item():.4f} (validation {val_loss:.4f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
