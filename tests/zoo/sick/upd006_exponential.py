"""Digits with an MLP, SGD with momentum and ExponentialLR.

Sick, UPD006 zero-learning-rate: gamma=0.5 was chosen for epochs, but the scheduler is stepped after every batch: the
rate is 1e-9 of its start after thirty batches, and training stands still. A competent diagnosis names the schedule
that has brought the learning rate to zero.
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x)).numpy()
    x, y = x[order], torch.tensor(y[order])
    x = torch.tensor(StandardScaler().fit(x[:1400]).transform(x), dtype=torch.float32).clamp(-3, 3)
    loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=64, shuffle=True)

    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = ExponentialLR(optimizer, gamma=0.5)
    for epoch in range(10):
        model.train()
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
        model.eval()
        with torch.no_grad():
            logits = model(x[1400:])
        accuracy = (logits.argmax(1) == y[1400:]).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.4f} val {criterion(logits, y[1400:]).item():.4f} acc {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
