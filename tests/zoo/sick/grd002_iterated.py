"""Wine cultivars with a recurrent residual block: the same layer applied 30 times, as a discretised flow.

Sick, GRD002 exploding-gradient: the step size of the flow is 1 instead of 1/30. The gradient is multiplied by the
block's Jacobian thirty times and grows beyond all bounds; there is no clipping. A competent diagnosis names the exploding
gradient.
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_wine
from torch import nn


class Flow(nn.Module):
    def __init__(self, dim, n_steps, step_size):
        super().__init__()
        self.n_steps, self.step_size = n_steps, step_size
        self.encode = nn.Linear(13, dim)
        self.field = nn.Linear(dim, dim)
        self.decode = nn.Linear(dim, 3)

    def forward(self, x):
        h = self.encode(x)
        for _ in range(self.n_steps):
            h = h + self.step_size * torch.tanh(self.field(h))
        return self.decode(h)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.RandomState(seed)
    wine = load_wine()
    order = rng.permutation(178)
    x = torch.tensor(wine.data[order], dtype=torch.float32)
    y = torch.tensor(wine.target[order])
    x = (x - x[:130].mean(0)) / x[:130].std(0)

    model = Flow(dim=24, n_steps=30, step_size=1.0)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for iteration in range(1, 301):
        batch = torch.from_numpy(rng.choice(130, 32, replace=False))
        optimizer.zero_grad()
        loss = criterion(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        if iteration % 50 == 0:
            with torch.inference_mode():
                logits = model(x[130:])
            accuracy = (logits.argmax(1) == y[130:]).float().mean().item()
            print(
                f"{iteration:4d} loss {loss.item():.3f} val {criterion(logits, y[130:]).item():.3f} acc {accuracy:.3f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
