"""Digit images, four convolutions with leaky ReLU, Adam.

Sick, INI003 growing-activations: all kernels come from uniform(−1, 1). A 3 × 3 kernel over 12 channels has 108 inputs:
the signal grows about fourfold in every convolution, and the logits start in the thousands.
A competent diagnosis names the activations that grow layer by layer from the first step on.
"""

import sys

import torch
from sklearn import datasets, model_selection
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def conv_block(c_in: int, c_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1), nn.LeakyReLU(0.1))


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_block(1, 12), conv_block(12, 12, 2), conv_block(12, 12), conv_block(12, 12, 2)
        )
        self.head = nn.Linear(12 * 4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x).flatten(start_dim=1))


def run_epoch(model, loader, criterion, optimizer=None):
    model.train(optimizer is not None)
    loss_sum, correct, seen = 0.0, 0, 0
    with torch.set_grad_enabled(optimizer is not None):
        for x, y in loader:
            logits = model(x)
            loss = criterion(logits, y)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(x)
            correct += (logits.argmax(1) == y).sum().item()
            seen += len(x)
    return loss_sum / seen, correct / seen


def main(seed: int) -> None:
    torch.manual_seed(seed)
    images, labels = datasets.load_digits(return_X_y=True)
    a, b, ya, yb = model_selection.train_test_split(images, labels, test_size=300, random_state=seed)
    mean, std = a.mean(), a.std()
    a, b = (torch.tensor((v - mean) / std, dtype=torch.float32).reshape(-1, 1, 8, 8) for v in (a, b))
    train_loader = DataLoader(TensorDataset(a, torch.tensor(ya)), batch_size=64, shuffle=True)
    val_loader = DataLoader(TensorDataset(b, torch.tensor(yb)), batch_size=300)

    model = Classifier()
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.uniform_(m.weight, -1, 1)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(9):
        train_loss, train_acc = run_epoch(model, train_loader, criterion, optimizer)
        val_loss, val_acc = run_epoch(model, val_loader, criterion)
        print(f"{epoch} train {train_loss:.3f}/{train_acc:.3f} val {val_loss:.3f}/{val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
