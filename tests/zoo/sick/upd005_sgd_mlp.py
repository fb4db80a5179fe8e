"""Digits with an MLP, SGD with momentum and weight decay.

Sick, UPD005 decay-dominates: weight_decay is 1.0, not 1e-4. Each step takes more from the weights than the gradient
gives; they shrink to zero, and the loss stays at ln 10. A competent diagnosis names the weight decay.
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x)).numpy()
    x, y = x[order], torch.tensor(y[order])
    x = torch.tensor(StandardScaler().fit(x[:1400]).transform(x), dtype=torch.float32).clamp(-3, 3)
    train_loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=64, shuffle=True)

    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1.0)
    for epoch in range(10):
        model.train()
        for inputs, labels in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(x[1400:])
        accuracy = (logits.argmax(1) == y[1400:]).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.4f} val {criterion(logits, y[1400:]).item():.4f} acc {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
