"""Hooks of its own, on modules and on optimizers."""

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
    from torch.nn.modules.module import register_module_forward_hook
    from torch.optim.optimizer import register_optimizer_step_post_hook

    torch.manual_seed(seed)
    x, y = data()
    model = net()
    counts = {"own": 0, "all": 0, "steps": 0}

    def count(name):
        def hook(*_):
            counts[name] += 1

        return hook

    model[0].register_forward_hook(count("own"))
    register_module_forward_hook(count("all"))
    register_optimizer_step_post_hook(count("steps"))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    for rows in torch.randperm(len(x)).split(32):
        optimizer.zero_grad(set_to_none=False)
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()
    print(counts, digest(model))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
