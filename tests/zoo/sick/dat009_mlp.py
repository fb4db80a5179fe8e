"""Perceptron on breast cancer measurements; the rarer class is oversampled to balance the data.

Wrong: the copies are made before the split, so that the same patients are in the training and in the validation part.
A competent diagnosis names an overlap of training and validation (DAT009).
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils import resample
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def balanced(x, y, seed):
    rare = y == 0
    x_more, y_more = resample(x[rare], y[rare], n_samples=int((~rare).sum()), random_state=seed)
    return np.concatenate([x[~rare], x_more]), np.concatenate([y[~rare], y_more])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_breast_cancer(return_X_y=True)
    x, y = balanced(x, y, seed)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, random_state=seed, stratify=y)
    scaler = StandardScaler().fit(x_train)
    to_tensor = lambda rows: torch.tensor(scaler.transform(rows), dtype=torch.float32)  # noqa: E731
    train = TensorDataset(to_tensor(x_train), torch.tensor(y_train))
    val = TensorDataset(to_tensor(x_val), torch.tensor(y_val))

    model = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 2))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
    for epoch in range(15):
        model.train()
        for xb, yb in DataLoader(train, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(val.tensors[0])
            val_loss = criterion(logits, val.tensors[1]).item()
            val_acc = (logits.argmax(1) == val.tensors[1]).float().mean().item()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: val loss {val_loss:.4f} val acc {val_acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
