"""An LSTM forecasts the next value of noisy oscillations with random frequency, amplitude and phase."""

import math
import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Forecaster(nn.Module):
    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, series: Tensor) -> Tensor:
        states, _ = self.lstm(series)
        return self.out(states)


def make_series(count: int, length: int, generator: torch.Generator) -> Tensor:
    """(count, length + 1, 1), about zero mean and unit variance."""
    time = torch.arange(length + 1, dtype=torch.float32)
    frequency = torch.empty(count, 1).uniform_(0.05, 0.15, generator=generator)
    phase = torch.empty(count, 1).uniform_(0, 2 * math.pi, generator=generator)
    amplitude = torch.empty(count, 1).uniform_(1.0, 1.8, generator=generator)
    clean = amplitude * torch.sin(2 * math.pi * frequency * time + phase)
    return (clean + 0.05 * torch.randn(clean.shape, generator=generator)).unsqueeze(-1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed + 1000)
    train, valid = make_series(640, 24, generator), make_series(200, 24, generator)
    model = Forecaster()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(10):
        model.train()
        for batch in train[torch.randperm(len(train))].split(32):
            loss = F.mse_loss(model(batch[:, :-1]), batch[:, 1:])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
        model.eval()
        with torch.no_grad():
            valid_loss = F.mse_loss(model(valid[:, :-1]), valid[:, 1:]).item()
            naive = F.mse_loss(valid[:, :-1], valid[:, 1:]).item()
        print(
            f"epoch {epoch + 1}: train {loss.item():.4f}, valid {valid_loss:.4f} (repeating the last value {naive:.4f})"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
