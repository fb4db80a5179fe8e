"""Digits with a recurrent residual block: the same layer applied 30 times, as a discretised flow.

Sick, GRD002 exploding-gradient: the step size of the flow is 1 instead of 1/30. Each step is expansive: the gradient
is multiplied by the block's Jacobian thirty times and arrives at the encoder a million times larger than it left;
there is no clipping. A competent diagnosis names the exploding gradient.
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn


class Flow(nn.Module):
    def __init__(self, dim, n_steps, step_size):
        super().__init__()
        self.n_steps, self.step_size = n_steps, step_size
        self.encode = nn.Linear(64, dim)
        self.field = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.decode = nn.Linear(dim, 10)
        nn.init.normal_(self.field.weight, std=0.3)

    def forward(self, x):
        h = self.encode(x)
        for _ in range(self.n_steps):
            h = h + self.step_size * torch.sin(self.field(h))
        return self.decode(self.norm(h))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.RandomState(seed)
    digits = load_digits()
    order = rng.permutation(len(digits.data))
    x = torch.tensor(digits.data[order], dtype=torch.float32)
    y = torch.tensor(digits.target[order])
    x = ((x - x[:1400].mean(0)) / (x[:1400].std(0) + 1e-6)).clamp(-3, 3)

    model = Flow(dim=32, n_steps=60, step_size=1.0)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for iteration in range(1, 251):
        batch = torch.from_numpy(rng.choice(1400, 50, replace=False))
        optimizer.zero_grad()
        loss = criterion(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        if iteration % 50 == 0:
            with torch.inference_mode():
                logits = model(x[1400:])
            accuracy = (logits.argmax(1) == y[1400:]).float().mean().item()
            val_loss = criterion(logits, y[1400:]).item()
            print(f"{iteration:4d} loss {loss.item():.3f} val {val_loss:.3f} acc {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
