"""Digits with an MLP, AdamW without weight decay, gradients cleared at the end of each iteration.

Sick, UPD004 no-update: optimizer.step() comes before loss.backward(), and zero_grad() directly after it. When the
step is made there are no gradients. A competent diagnosis says that step() leaves every weight unchanged (order of
the calls).
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset


def make_loaders(seed: int) -> tuple[DataLoader, DataLoader]:
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x, dtype=torch.float32)
    x = (x - x.mean(0)) / x.std()
    dataset = TensorDataset(x, torch.tensor(y))
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed)).tolist()
    train, val = Subset(dataset, order[:1400]), Subset(dataset, order[1400:])
    return DataLoader(train, batch_size=70, shuffle=True), DataLoader(val, batch_size=400)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    train_loader, val_loader = make_loaders(seed)
    model = nn.Sequential(nn.Linear(64, 72), nn.GELU(), nn.Linear(72, 36), nn.GELU(), nn.Linear(36, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    for epoch in range(8):
        for x, y in train_loader:
            loss = criterion(model(x), y)
            optimizer.step()
            loss.backward()
            optimizer.zero_grad()
        correct = total = 0
        with torch.no_grad():
            for x, y in val_loader:
                correct += (model(x).argmax(dim=1) == y).sum().item()
                total += len(y)
        print(f"epoch {epoch + 1}/8 train loss {loss.item():.4f} val accuracy {correct / total:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
