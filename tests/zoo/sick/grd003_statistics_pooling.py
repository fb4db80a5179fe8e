"""Which noise process a series comes from: 1-D convolutions, pooling of mean and standard deviation over time.

Sick, GRD003 nonfinite-gradient: the standard deviation is computed as sqrt(E[(h − E[h])²]). A few series are silent
(the microphone was off): all their features are constant, the deviation is exactly 0 and its square root has an
infinite derivative there. The gradient of that step is NaN while its loss is finite; afterwards all weights are NaN.
A competent diagnosis names the non-finite gradient, its first step, and that the loss was finite then.
"""

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def make_series(n: int, silent: int) -> tuple[Tensor, Tensor]:
    """Noise that is white, smooth, alternating, or in bursts."""
    label = torch.randint(4, (n,))
    white = torch.randn(n, 66)
    smooth = (white[:, :-2] + white[:, 1:-1] + white[:, 2:]) / 3**0.5
    rough = (white[:, :-2] - white[:, 1:-1] + white[:, 2:]) / 3**0.5
    bursts = white[:, :64] * (torch.sin(torch.arange(64) / 5 + 6 * torch.rand(n, 1)) > 0.3) * 1.6
    kinds = torch.stack([white[:, :64], smooth, rough, bursts], dim=1)
    series = kinds[torch.arange(n), label].unsqueeze(1)
    series[:silent] = 0.0
    return series, label


class StatisticsPooling(nn.Module):
    def forward(self, h: Tensor) -> Tensor:
        mean = h.mean(dim=2)
        variance = ((h - mean.unsqueeze(2)) ** 2).mean(dim=2)
        return torch.cat([mean, torch.sqrt(variance)], dim=1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, y_train = make_series(1500, silent=2)
    x_val, y_val = make_series(300, silent=0)
    model = nn.Sequential(
        nn.Conv1d(1, 16, 3),
        nn.Tanh(),
        nn.Conv1d(16, 16, 3),
        nn.Tanh(),
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
        accuracy = (logits.argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.3f}, val accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
