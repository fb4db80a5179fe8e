"""Perceptron on the digits; images and labels are shuffled "so that the classes are mixed".

Wrong: two independent permutations are used, so that no label belongs to its image. A competent diagnosis names a
training at chance level (LOS008).
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    digits = load_digits()
    images = rng.permutation(digits.data)
    labels = rng.permutation(digits.target)
    x = torch.tensor((images - images.mean()) / images.std(), dtype=torch.float32)
    y = torch.tensor(labels)
    train_loader = DataLoader(TensorDataset(x[:1500], y[:1500]), batch_size=50, shuffle=True)
    x_val, y_val = x[1500:], y[1500:]

    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for epoch in range(8):
        model.train()
        train_loss = 0.0
        for xb, yb in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
            train_loss += loss.item() / len(train_loader)
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
            val_loss = criterion(logits, y_val).item()
            val_acc = (logits.argmax(dim=1) == y_val).float().mean().item()
        print(f"epoch {epoch + 1}: train {train_loss:.4f}, val {val_loss:.4f}, accuracy {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
