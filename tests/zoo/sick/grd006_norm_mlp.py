"""Digits with an MLP, SGD, gradient clipping by norm.

Sick, GRD006 over-clipped: max_norm is 1e-4, where the gradient norm is about 1: every gradient is cut by four orders of
magnitude and nothing is learned. A competent diagnosis names the clipping threshold.
"""

import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    data, target = load_digits(return_X_y=True)
    order = torch.randperm(len(data)).numpy()
    data, target = data[order], torch.tensor(target[order])
    scaler = StandardScaler().fit(data[:1400])
    data = torch.tensor(scaler.transform(data), dtype=torch.float32).clamp(-3, 3)
    train_loader = DataLoader(TensorDataset(data[:1400], target[:1400]), batch_size=64, shuffle=True)

    model = nn.Sequential(nn.Linear(64, 80), nn.ReLU(), nn.Linear(80, 40), nn.ReLU(), nn.Linear(40, 10))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for epoch in range(10):
        model.train()
        total = 0.0
        for inputs, labels in train_loader:
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), labels)
            loss.backward()
            clip_grad_norm_(model.parameters(), max_norm=1e-4)
            optimizer.step()
            total += loss.item()
        model.eval()
        with torch.no_grad():
            logits = model(data[1400:])
        acc = (logits.argmax(1) == target[1400:]).float().mean().item()
        print(
            f"epoch {epoch + 1}: train {total / len(train_loader):.4f} val {loss_fn(logits, target[1400:]).item():.4f} acc {acc:.3f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
