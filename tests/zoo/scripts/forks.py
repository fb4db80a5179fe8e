"""Forks in the middle; the child computes something of its own."""

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
    import os

    torch.manual_seed(seed)
    x, y = data()
    model = net()
    optimizer = torch.optim.Adam(model.parameters())
    for step, rows in enumerate(torch.randperm(len(x)).split(32)):
        if step == 20:
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                F.cross_entropy(model(x[:8]), y[:8]).backward()
                optimizer.step()
                print("child", digest(model), flush=True)
                os._exit(0)
            os.waitpid(child, 0)
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    print("parent", digest(model))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
