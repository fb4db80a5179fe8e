"""Perceptron on the digits; the log-likelihood is taken for a quantity that cross_entropy returns.

Wrong: the script minimises `-F.cross_entropy(...)`. What is backpropagated falls below zero without end, the
cross-entropy itself rises. A competent diagnosis names a loss optimised the wrong way: its sign (LOS006).
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = (digits.data - digits.data.mean()) / digits.data.std()
    x_train, x_val, y_train, y_val = train_test_split(x, digits.target, test_size=0.2, random_state=seed)
    train = TensorDataset(torch.tensor(x_train, dtype=torch.float32), torch.tensor(y_train))
    x_val, y_val = torch.tensor(x_val, dtype=torch.float32), torch.tensor(y_val)
    loader = DataLoader(train, batch_size=64, shuffle=True)
    model = nn.Sequential(nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(10):
        model.train()
        for images, labels in loader:
            log_likelihood = F.cross_entropy(model(images), labels)
            loss = -log_likelihood
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
            val_loss = F.cross_entropy(logits, y_val).item()
            val_acc = (logits.argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, validation {val_loss:.3f}, accuracy {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
