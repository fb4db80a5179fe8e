"""Digits with a tanh MLP, SGD with momentum and a DataLoader.

Sick, ACT002 saturated-activation: the learning rate is about fifty times too high; a few steps drive the tanh units to
−1 and 1, where they stay. A competent diagnosis names the saturated activations and the learning rate.
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def accuracy(logits, labels):
    return (logits.argmax(dim=1) == labels).float().mean().item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(scale(x), dtype=torch.float32).clamp(-3, 3)
    y = torch.tensor(y)
    x_train, x_val, y_train, y_val = train_test_split(x, y, train_size=1400, random_state=seed)
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=70, shuffle=True)

    model = nn.Sequential(nn.Linear(64, 100), nn.Tanh(), nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=2.0, momentum=0.9)
    for epoch in range(12):
        losses = []
        model.train()
        for xb, yb in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            val_logits = model(x_val)
        print(
            f"epoch {epoch:2d} train loss {sum(losses) / len(losses):.3f} "
            f"val loss {criterion(val_logits, y_val).item():.3f} val accuracy {accuracy(val_logits, y_val):.3f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
