"""Is the running sum of a random walk's steps positive: a GRU over short sequences, AdamW without momentum.

Sick, UPD002 huge-update: the learning rate is 0.2, where 3e-3 trains well: the weights are replaced every few steps. The
gates are bounded, so that the loss stays finite. A competent diagnosis names the huge updates and the rate.
"""

import sys

import torch
from torch import nn


class SumSign(nn.Module):
    def __init__(self, hidden=16):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        states, _ = self.gru(x)
        return self.head(states[:, -1]).squeeze(-1)


def sample(count, length=12):
    x = torch.randn(count, length, 1)
    return x, (x.sum(dim=(1, 2)) > 0).float()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_val, y_val = sample(400)
    model = SumSign()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.2, betas=(0.0, 0.99), weight_decay=1.0)
    for step in range(300):
        model.zero_grad()
        x, y = sample(64)
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        if step % 50 == 49:
            with torch.no_grad():
                accuracy = ((model(x_val) > 0).float() == y_val).float().mean().item()
            print(f"step {step + 1:3d}  loss {loss.item():.4f}  val accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
