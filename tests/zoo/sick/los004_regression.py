"""Regression of a noise-free surface of three variables by a tanh network, AdamW with a short warm-up.

Wrong: after its warm-up of 50 steps the learning rate is 0.15 (0.003 would do). The squared error falls to a third at
once and then neither falls nor rises. A competent diagnosis names an early plateau: learning rate too high (LOS004).
"""

import sys

import torch
from torch import Tensor, nn


class Surface(nn.Module):
    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.a = nn.Linear(3, width)
        self.b = nn.Linear(width, width)
        self.c = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.tanh(self.b(torch.tanh(self.a(x)))))


def truth(x: Tensor) -> Tensor:
    return (torch.sin(1.5 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.5 * x[:, 1].cos()).unsqueeze(1) - 0.3


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.randn(2000, 3)
    y = truth(x) / 1.25
    x_val = torch.randn(400, 3)
    y_val = truth(x_val) / 1.25
    net = Surface()
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.15, weight_decay=1e-3)
    warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.02, total_iters=50)
    history = []
    for epoch in range(15):
        for idx in torch.randperm(2000).split(50):
            loss = loss_fn(net(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            warm_up.step()
            history.append(loss.item())
        with torch.no_grad():
            val = loss_fn(net(x_val), y_val).item()
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1}: train mse {sum(history[-40:]) / 40:.4f}, validation mse {val:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
