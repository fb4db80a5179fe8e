"""Digits with an MLP, SGD with momentum, a hand-written loop.

Sick, GRD005 accumulated-gradient: optimizer.zero_grad() is missing. Every step uses the sum of all gradients so far; the
gradient norm grows and the weights run away. A competent diagnosis names the missing zero_grad().
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler
from torch import nn


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x))
    x, y = x[order.numpy()], torch.tensor(y)[order]
    scaler = StandardScaler().fit(x[:1400])
    x = torch.tensor(scaler.transform(x), dtype=torch.float32).clamp(-3, 3)
    x_train, y_train, x_val, y_val = x[:1400], y[:1400], x[1400:], y[1400:]

    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.5)
    for epoch in range(8):
        model.train()
        for batch in torch.randperm(len(x_train)).split(50):
            loss = F.cross_entropy(model(x_train[batch]), y_train[batch])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
        acc = (logits.argmax(1) == y_val).float().mean()
        print(f"epoch {epoch}: loss {loss.item():.4f} val loss {F.cross_entropy(logits, y_val):.4f} val acc {acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
