"""Perceptron on the digits trained against smoothed labels with the Kullback-Leibler divergence.

Wrong: F.kl_div expects log-probabilities and is given probabilities (softmax instead of log_softmax); its value is far
below zero, which a divergence never is. A competent diagnosis names a loss outside its domain (LOS009).
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def smooth(labels, classes=10, amount=0.1):
    return F.one_hot(labels, classes) * (1 - amount) + amount / classes


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    x = (x - x.mean()) / x.std()
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=seed)
    train = TensorDataset(torch.tensor(x_train, dtype=torch.float32), torch.tensor(y_train))
    x_val, y_val = torch.tensor(x_val, dtype=torch.float32), torch.tensor(y_val)
    model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(10):
        model.train()
        for images, labels in DataLoader(train, batch_size=40, shuffle=True):
            probabilities = F.softmax(model(images), dim=1)
            loss = F.kl_div(probabilities, smooth(labels), reduction="batchmean")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            val_acc = (model(x_val).argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}, validation accuracy {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
