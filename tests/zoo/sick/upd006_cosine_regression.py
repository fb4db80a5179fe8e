"""Friedman's first regression problem, tanh MLP, SGD with a cosine schedule written by hand.

Sick, UPD006 zero-learning-rate: the cosine ends after 20 of 600 steps (the constant comes from another script) and
the rate stays at 0 from then on. A competent diagnosis names the schedule.
"""

import math
import sys

import torch
from sklearn.datasets import make_friedman1
from torch import nn

TOTAL_STEPS = 600
COSINE_STEPS = 20


def cosine(step: int, peak: float) -> float:
    progress = min(step / COSINE_STEPS, 1.0)
    return 0.5 * peak * (1 + math.cos(math.pi * progress))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_friedman1(n_samples=1700, n_features=8, noise=0.5, random_state=seed)
    x, y = torch.tensor(x).float(), torch.tensor(y).float().unsqueeze(1)
    x = (x - x[:1360].mean(0)) / x[:1360].std(0)
    y = (y - y[:1360].mean()) / y[:1360].std()

    model = nn.Sequential(nn.Linear(8, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 1))
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for step in range(TOTAL_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = cosine(step, 0.05)
        index = torch.randint(1360, (64,))
        optimizer.zero_grad()
        loss = criterion(model(x[index]), y[index])
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            with torch.no_grad():
                val = criterion(model(x[1360:]), y[1360:]).item()
            print(f"step {step + 1}: train {loss.item():.4f} val {val:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
