"""Tumour classification (breast cancer set) by a small perceptron, trained by SGD with momentum.

Wrong: the features are divided by their standard deviation but the mean is never subtracted, so every feature lies
one to ten of its standard deviations above zero. A competent diagnosis names uncentred inputs (DAT001).
"""

import sys

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def evaluate(model, loader, criterion):
    model.eval()
    loss, hits, count = 0.0, 0, 0
    with torch.no_grad():
        for xb, yb in loader:
            logits = model(xb).squeeze(1)
            loss += criterion(logits, yb).item() * len(xb)
            hits += ((logits > 0).float() == yb).sum().item()
            count += len(xb)
    return loss / count, hits / count


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, random_state=seed, stratify=y)
    scale = x_train.std(axis=0)
    x_train, x_val = x_train / scale, x_val / scale

    train_set = TensorDataset(torch.tensor(x_train).float(), torch.tensor(y_train).float())
    val_set = TensorDataset(torch.tensor(x_val).float(), torch.tensor(y_val).float())
    train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=143)

    model = nn.Sequential(nn.Linear(30, 24), nn.Tanh(), nn.Linear(24, 1))
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

    for epoch in range(15):
        model.train()
        total = 0.0
        for xb, yb in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(xb).squeeze(1), yb)
            loss.backward()
            optimizer.step()
            total += loss.item()
        val_loss, val_acc = evaluate(model, val_loader, criterion)
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1:2d}  train {total / len(train_loader):.4f}  val {val_loss:.4f}  acc {val_acc:.3f}")
    print(f"final validation accuracy {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
