"""Trains in a thread, and says goodbye at its end."""

import hashlib
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn


def data():
    x, y = load_digits(return_X_y=True)
    return torch.tensor((x - x.mean()) / x.std(), dtype=torch.float32), torch.tensor(y)


def digest(model):
    content = b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())
    return hashlib.sha256(content).hexdigest()


def net():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))


def train(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = data()
    model = net()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=0.05)
    for rows in torch.randperm(len(x)).split(32):
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(model(x[rows]), y[rows]).backward()
        optimizer.step()
    print(digest(model))


def main(seed: int) -> None:
    import atexit
    import threading

    atexit.register(print, "goodbye")
    thread = threading.Thread(target=train, args=(seed,))
    thread.start()
    thread.join()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
