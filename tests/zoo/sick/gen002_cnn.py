"""Digit images with a tiny CNN: one filter, averaged over the whole image, Adam.

Sick, GEN002 underfitting: one number an image is all that reaches the last layer. Training and validation accuracy
agree, at a quarter of the digits. A competent diagnosis says that a larger network may do better.
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split


class TinyCNN(nn.Module):
    def __init__(self, filters=1):
        super().__init__()
        self.conv = nn.Conv2d(1, filters, 3)
        self.out = nn.Linear(filters, 10)

    def forward(self, x):
        return self.out(F.silu(self.conv(x)).mean(dim=(2, 3)))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images / 16, dtype=torch.float32).unsqueeze(1)
    images = (images - images.mean()) / images.std()
    data = TensorDataset(images, torch.tensor(digits.target))
    train, val = random_split(data, [1400, len(data) - 1400])
    train_loader = DataLoader(train, batch_size=70, shuffle=True)
    val_loader = DataLoader(val, batch_size=len(val))

    model = TinyCNN()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for epoch in range(30):
        for x, y in train_loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            x, y = next(iter(val_loader))
            logits = model(x)
            val_loss, accuracy = F.cross_entropy(logits, y), (logits.argmax(1) == y).float().mean()
        if epoch % 5 == 4:
            print(
                f"epoch {epoch + 1}: {loss.item():.3f}, validation {val_loss.item():.3f}, accuracy {accuracy.item():.3f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
