"""Tumour classification with a binary cross-entropy written out by hand.

Wrong: `log(1 - p)` is taken of a sigmoid that rounds to exactly 1 once the network is sure (a logit over 17); 0 * log(0)
is NaN. It happens in the middle of a training that goes well until then. A competent diagnosis names a non-finite loss,
its first step, and that no layer but the loss itself produced it (LOS001).
"""

import sys

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def binary_cross_entropy(p, y):
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(0)) / x.std(0)
    x_train, x_val, y_train, y_val = [
        torch.tensor(part, dtype=torch.float32) for part in train_test_split(x, y, test_size=0.25, random_state=seed)
    ]
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)
    model = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 1), nn.Sigmoid(), nn.Flatten(0))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    history = []
    for epoch in range(40):
        model.train()
        for xb, yb in loader:
            loss = binary_cross_entropy(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        model.eval()
        with torch.no_grad():
            val_acc = ((model(x_val) > 0.5) == (y_val > 0.5)).float().mean().item()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {history[-1]:.4f}, validation accuracy {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
