"""Digits with convolution, batch normalisation and ReLU blocks; DataLoader, Adam, loss and accuracy each epoch."""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class DigitImages(Dataset):
    """Normalised 8 x 8 images with a channel axis."""

    def __init__(self, images, labels, mean: float, std: float) -> None:
        self.images = ((torch.tensor(images, dtype=torch.float32) - mean) / std).unsqueeze(1)
        self.labels = torch.tensor(labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.images[index], self.labels[index]


def conv_block(c_in: int, c_out: int) -> list[nn.Module]:
    return [nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()]


def build() -> nn.Module:
    return nn.Sequential(
        *conv_block(1, 16),
        nn.MaxPool2d(2),
        *conv_block(16, 32),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 2 * 2, 10),
    )


def train_one_epoch(model, loader, loss_fn, optimizer) -> float:
    model.train()
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


@torch.no_grad()
def evaluate(model, loader, loss_fn) -> tuple[float, float]:
    model.eval()
    losses, correct = [], 0
    for images, labels in loader:
        logits = model(images)
        losses.append(loss_fn(logits, labels).item())
        correct += (logits.argmax(1) == labels).sum().item()
    return sum(losses) / len(losses), correct / len(loader.dataset)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    split = train_test_split(digits.images, digits.target, test_size=0.2, random_state=seed, stratify=digits.target)
    mean, std = split[0].mean(), split[0].std()
    train_loader = DataLoader(DigitImages(split[0], split[2], mean, std), batch_size=64, shuffle=True)
    val_loader = DataLoader(DigitImages(split[1], split[3], mean, std), batch_size=180)
    model = build()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(7):
        train_loss = train_one_epoch(model, train_loader, loss_fn, optimizer)
        val_loss, val_acc = evaluate(model, val_loader, loss_fn)
        print(f"epoch {epoch + 1}: train loss {train_loss:.4f}, val loss {val_loss:.4f}, val acc {val_acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
