"""Friedman's first regression problem, an MLP with SGD; the gradients are clamped by hand.

Sick, GRD006 over-clipped: a loop over the parameters clamps every gradient element to ±1e-6 before the step, so that the
mean squared error stays where it was. A competent diagnosis names the clamping (all elements at the same limit) or,
failing that, the tiny updates that it leaves.
"""

import sys

import torch
from sklearn.datasets import make_friedman1
from torch import nn

CLIP = 1e-6


def standardise(tensor, reference):
    return (tensor - reference.mean(0)) / reference.std(0)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_friedman1(n_samples=1500, n_features=7, noise=0.5, random_state=seed)
    x, y = torch.tensor(x).float(), torch.tensor(y).float().unsqueeze(1)
    x, y = standardise(x, x[:1200]), standardise(y, y[:1200])

    model = nn.Sequential(nn.Linear(7, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for step in range(400):
        index = torch.randint(1200, (64,))
        loss = loss_fn(model(x[index]), y[index])
        optimizer.zero_grad()
        loss.backward()
        for parameter in model.parameters():
            parameter.grad.clamp_(-CLIP, CLIP)
        optimizer.step()
        if step % 80 == 79:
            with torch.no_grad():
                val_loss = loss_fn(model(x[1200:]), y[1200:])
            print(f"step {step + 1}: train {loss.item():.4f} validation {val_loss.item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
