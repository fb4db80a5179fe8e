"""GRU forecaster of a two-tone signal, full-batch updates that follow the sign of the gradient.

Wrong: each weight moves by the learning rate of 0.15 at every step, whatever the gradient, and so jumps to and fro
around its best value; the loss goes up and down from step to step instead of settling. A competent diagnosis names an
oscillating loss (LOS005).
"""

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SignDescent(torch.optim.Optimizer):
    def __init__(self, params, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(p.grad.sign(), alpha=-group["lr"])


class Forecaster(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(1, 16, batch_first=True)
        self.out = nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.gru(x)
        return self.out(states[:, -1])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    time = torch.arange(420.0)
    signal = torch.sin(0.5 * time) + 0.6 * torch.sin(1.3 * time + 1.0) + 0.05 * torch.randn(420)
    signal = (signal - signal.mean()) / signal.std()
    windows = signal.unfold(0, 11, 1)
    x, y = windows[:, :10].unsqueeze(-1), windows[:, 10:]
    x_train, y_train, x_val, y_val = x[:300], y[:300], x[310:], y[310:]
    model = Forecaster()
    optimizer = SignDescent(model.parameters(), lr=0.15)
    losses = []
    for step in range(300):
        model.train()
        loss = F.mse_loss(model(x_train), y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % 20 == 19:
            model.eval()
            with torch.no_grad():
                val = F.mse_loss(model(x_val), y_val).item()
            print(f"step {step + 1}: loss {losses[-1]:.4f}, validation {val:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
