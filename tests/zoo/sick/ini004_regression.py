"""A two-dimensional surface fitted by a tanh network of four hidden layers, SGD with momentum.

Sick, INI004 late-start: normal initial weights of standard deviation 0.022 for 64 units. The mean squared error sits at
the variance of the target for hundreds of steps and falls suddenly afterwards. A competent diagnosis names the late
start and points to the initial weights.
"""

import sys

import torch
from torch import Tensor, nn


def surface(x: Tensor) -> Tensor:
    return torch.tanh(1.5 * x[:, :1] - x[:, 1:]) + 0.3 * torch.sin(2 * x[:, 1:])


class SurfaceNet(nn.Module):
    def __init__(self, width: int = 64, std: float = 0.022) -> None:
        super().__init__()
        self.l1 = nn.Linear(2, width)
        self.l2 = nn.Linear(width, width)
        self.l3 = nn.Linear(width, width)
        self.l4 = nn.Linear(width, width)
        self.l5 = nn.Linear(width, 1)
        self.act = nn.Tanh()
        for layer in (self.l1, self.l2, self.l3, self.l4, self.l5):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.l1(x))
        x = self.act(self.l2(x))
        x = self.act(self.l3(x))
        x = self.act(self.l4(x))
        return self.l5(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x = (2 * torch.rand(2000, 2) - 1) * 3**0.5
    y = surface(x)
    y = (y - y.mean()) / y.std() + 0.05 * torch.randn_like(y)
    x_train, y_train, x_val, y_val = x[:1600], y[:1600], x[1600:], y[1600:]

    net = SurfaceNet()
    mse = nn.MSELoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
    for step in range(500):
        i = torch.randint(1600, (128,))
        optimizer.zero_grad()
        loss = mse(net(x_train[i]), y_train[i])
        loss.backward()
        optimizer.step()
        if step % 50 == 49:
            with torch.no_grad():
                val = mse(net(x_val), y_val)
            print(f"{step + 1:4d}: train {loss.item():.4f}  val {val.item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
