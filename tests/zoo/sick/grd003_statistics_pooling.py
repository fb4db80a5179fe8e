"""Which noise process a series comes from: 1-D convolutions, pooling of mean and standard deviation over time.

Sick, GRD003 nonfinite-gradient: the standard deviation is computed as sqrt(E[h²] − E[h]²) of ReLU features. A channel that
is zero over the whole series has a deviation of exactly 0, whose square root has an infinite derivative: the gradient
is NaN while the loss is finite. A competent diagnosis names the non-finite gradient and where it is first seen.
"""

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def make_series(n: int) -> tuple[Tensor, Tensor]:
    """Noise that is white, smooth, alternating, or in bursts."""
    label = torch.randint(4, (n,))
    white = torch.randn(n, 66)
    smooth = (white[:, :-2] + white[:, 1:-1] + white[:, 2:]) / 3**0.5
    rough = (white[:, :-2] - white[:, 1:-1] + white[:, 2:]) / 3**0.5
    bursts = white[:, :64] * (torch.sin(torch.arange(64) / 5 + 6 * torch.rand(n, 1)) > 0.3) * 1.6
    kinds = torch.stack([white[:, :64], smooth, rough, bursts], dim=1)
    return kinds[torch.arange(n), label].unsqueeze(1), label


class StatisticsPooling(nn.Module):
    def forward(self, h: Tensor) -> Tensor:
        mean = h.mean(dim=2)
        variance = (h**2).mean(dim=2) - mean**2
        return torch.cat([mean, variance.clamp(min=0).sqrt()], dim=1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, y_train = make_series(1500)
    x_val, y_val = make_series(300)
    model = nn.Sequential(
        nn.Conv1d(1, 16, 3),
        nn.ReLU(),
        nn.Conv1d(16, 16, 3),
        nn.ReLU(),
        StatisticsPooling(),
        nn.Linear(32, 4),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(8):
        for index in torch.randperm(1500).split(50):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x_train[index]), y_train[index])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
        model.train()
        print(f"epoch {epoch}: loss {loss.item():.3f}, val accuracy {(logits.argmax(1) == y_val).float().mean().item():.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
