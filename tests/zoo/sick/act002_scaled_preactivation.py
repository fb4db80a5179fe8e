"""A smooth function of five variables, learned by a tanh network with a scale inside.

Sick, ACT002 saturated-activation: the pre-activations are multiplied by the square root of the width instead of divided
by it (the scale of attention, the wrong way round). All tanh outputs lie at their limits, the network is a random step
function and hardly a gradient passes through it. A competent diagnosis names the saturated activations.
"""

import math
import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ScaledTanh(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x * self.scale)


def sample(n: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 5)
    y = torch.sin(x[:, 0] + x[:, 1]) + 0.5 * x[:, 2] * torch.tanh(x[:, 3]) - 0.6 * x[:, 4]
    return x, (y / 1.05).unsqueeze(1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, y_train = sample(3000)
    x_val, y_val = sample(600)
    width = 64
    scale = math.sqrt(width)
    model = nn.Sequential(
        nn.Linear(5, width),
        ScaledTanh(scale),
        nn.Linear(width, width),
        ScaledTanh(scale),
        nn.Linear(width, width),
        ScaledTanh(scale),
        nn.Linear(width, 1),
    )
    for layer in model:
        if isinstance(layer, nn.Linear) and layer.out_features == width:
            nn.init.xavier_normal_(layer.weight, gain=1.5)

    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for step in range(1, 601):
        index = torch.randint(len(x_train), (64,))
        loss = F.mse_loss(model(x_train[index]), y_train[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            with torch.inference_mode():
                val_loss = F.mse_loss(model(x_val), y_val)
            print(f"{step}: loss {loss.item():.3f} val_loss {val_loss.item():.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
