"""An optimizer that torch knows nothing of."""

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


class Signs:
    """Steps of one size along the gradient's signs."""

    def __init__(self, parameters, lr):
        self.parameters, self.lr = list(parameters), lr

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None

    def step(self):
        with torch.no_grad():
            for parameter in self.parameters:
                parameter.sub_(self.lr * parameter.grad.sign())


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = data()
    model = net()
    optimizer = Signs(model.parameters(), 1e-3)
    for epoch in range(3):
        for rows in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())
    print(digest(model))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
