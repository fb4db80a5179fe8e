"""LSTM regression: the mean of a noisy window's last five values.

Wrong: the squared error enters with the wrong sign, because the script was rewritten from scores (larger is better) to
errors. The objective that is backpropagated falls far below zero. A competent diagnosis names a loss optimised the wrong
way: its sign (LOS006).
"""

import sys

import torch
from torch import Tensor, nn


class WindowMean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, 24, batch_first=True)
        self.out = nn.Linear(24, 1)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(x)
        return self.out(states[:, -1])


def windows(n: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 15, 1)
    return x, x[:, -5:].mean(dim=1) * 5**0.5


def score(prediction: Tensor, target: Tensor) -> Tensor:
    return -((prediction - target) ** 2).mean()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = windows(1500)
    x_val, y_val = windows(300)
    model = WindowMean()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(6):
        model.train()
        for idx in torch.randperm(len(x)).split(50):
            objective = score(model(x[idx]), y[idx])
            optimizer.zero_grad()
            objective.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            val = score(model(x_val), y_val).item()
        print(f"epoch {epoch + 1}: objective {objective.item():.3f}, validation {val:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
