"""Digits by a perceptron with one hidden layer; the training file is ordered by digit.

Wrong: the DataLoader does not shuffle, so nearly every batch holds a single class and the classes come one after the
other. A competent diagnosis names unshuffled batches (DAT005).
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    x = (x - x.mean()) / x.std()
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=300, stratify=y, random_state=seed)
    by_class = np.argsort(y_train, kind="stable")
    train_set = TensorDataset(torch.tensor(x_train[by_class]).float(), torch.tensor(y_train[by_class]))
    train_loader = DataLoader(train_set, batch_size=32)
    x_val, y_val = torch.tensor(x_val).float(), torch.tensor(y_val)

    model = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(10):
        model.train()
        train_loss = 0.0
        for xb, yb in train_loader:
            loss = criterion(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            train_loss += loss.item() / len(train_loader)
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
            val_loss = criterion(logits, y_val).item()
            val_acc = (logits.argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch + 1}: train {train_loss:.3f} val {val_loss:.3f} acc {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
