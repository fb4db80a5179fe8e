"""Which of four waveforms a noisy series comes from: a GRU over 24 time steps, AdamW.

Sick, INI001 symmetric-units: one loop sets *all* parameters to 0.05. The 32 hidden units of the GRU receive the same
gradient at every step and remain one unit. A competent diagnosis names the constant initialisation.
"""

import math
import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def make_waves(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    kind = torch.randint(4, (n,), generator=generator)
    t = torch.arange(24) / 24
    phase = torch.rand(n, 1, generator=generator)
    angle = 2 * math.pi * (2 * t + phase)
    saw = 2 * ((2 * t + phase) % 1) - 1
    waves = torch.stack([angle.sin(), angle.sin().sign(), saw, -saw], dim=1) * 1.2
    series = waves[torch.arange(n), kind] + 0.15 * torch.randn(n, 24, generator=generator)
    return series.unsqueeze(-1), kind


class WaveClassifier(nn.Module):
    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 4)

    def forward(self, x: Tensor) -> Tensor:
        _, last = self.gru(x)
        return self.head(last[-1])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    x_train, y_train = make_waves(2000, generator)
    x_val, y_val = make_waves(400, generator)

    model = WaveClassifier()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.05)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.01)
    step = 0
    for epoch in range(5):
        for index in torch.randperm(len(x_train)).split(50):
            loss = F.cross_entropy(model(x_train[index]), y_train[index])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
        model.eval()
        with torch.no_grad():
            val = F.cross_entropy(model(x_val), y_val)
        model.train()
        print(f"[{epoch}] step {step} train {loss.item():.3f} val {val.item():.3f}")
    with torch.no_grad():
        print(f"validation accuracy {(model(x_val).argmax(-1) == y_val).float().mean().item():.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
