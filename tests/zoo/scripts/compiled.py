"""A compiled model."""

import hashlib
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


def data():
    x, y = load_digits(return_X_y=True)
    return torch.tensor((x - x.mean()) / x.std(), dtype=torch.float32), torch.tensor(y)


def digest(model):
    content = b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())
    return hashlib.sha256(content).hexdigest()


def net():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = data()
    model = net()
    fast = torch.compile(model, backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step, rows in enumerate(torch.randperm(len(x)).split(64)[:25]):
        optimizer.zero_grad()
        loss = F.cross_entropy(fast(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        print(step, loss.item())
    print(digest(model))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
