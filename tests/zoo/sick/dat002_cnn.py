"""Convolutional digit classifier; the mean image of the training set is subtracted first.

Wrong: after the subtraction the pixels still span about -200 to 255, because nothing divides by their standard
deviation. A competent diagnosis names unscaled inputs (DAT002).
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class ConvNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))


def run_epoch(model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer | None = None):
    criterion = nn.CrossEntropyLoss(reduction="sum")
    training = optimizer is not None
    model.train(training)
    total, hits, count = 0.0, 0, 0
    with torch.set_grad_enabled(training):
        for x, y in loader:
            logits = model(x)
            loss = criterion(logits, y)
            if training:
                optimizer.zero_grad()
                (loss / len(x)).backward()
                optimizer.step()
            total += loss.item()
            hits += int((logits.argmax(1) == y).sum())
            count += len(x)
    return total / count, hits / count


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.images / 16 * 255, dtype=torch.float32).unsqueeze(1)
    y = torch.tensor(digits.target)
    train_set, val_set = random_split(TensorDataset(x, y), [1437, 360], torch.Generator().manual_seed(seed))
    mean_image = x[train_set.indices].mean(dim=0)
    x -= mean_image

    train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=360)
    model = ConvNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(8):
        train_loss, _ = run_epoch(model, train_loader, optimizer)
        val_loss, val_acc = run_epoch(model, val_loader)
        print(f"{epoch}: train loss {train_loss:.3f} | val loss {val_loss:.3f} acc {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
