"""An image (a digit, enlarged) as a function of its coordinates, with sine activations.

Sick, GRD002 exploding-gradient: the factor ω = 15 stands in every layer, but the weights have not been divided by it.
The sines stay between −1 and 1, while the gradient is multiplied at every layer. A competent diagnosis names the
exploding gradient, growing from the last layer to the first.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn


class SineLayer(nn.Module):
    def __init__(self, n_in: int, n_out: int, omega: float) -> None:
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(n_in, n_out)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega * self.linear(x))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    image = torch.tensor(load_digits().images[seed], dtype=torch.float32)[None, None]
    image = F.interpolate(image, size=(32, 32), mode="bicubic", align_corners=True)[0, 0]
    pixels = ((image - image.mean()) / image.std()).reshape(-1, 1)
    axis = torch.linspace(-1.7, 1.7, 32)
    coordinates = torch.cartesian_prod(axis, axis)
    held_out = torch.rand(1024) < 0.2
    train_x, train_y = coordinates[~held_out], pixels[~held_out]
    val_x, val_y = coordinates[held_out], pixels[held_out]

    omega = 15.0
    net = nn.Sequential(
        SineLayer(2, 48, omega),
        SineLayer(48, 48, omega),
        SineLayer(48, 48, omega),
        SineLayer(48, 48, omega),
        nn.Linear(48, 1),
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    for step in range(500):
        index = torch.randint(len(train_x), (128,))
        loss = F.mse_loss(net(train_x[index]), train_y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 100 == 0:
            with torch.no_grad():
                val_mse = F.mse_loss(net(val_x), val_y)
            print(f"step {step + 1}: train mse {loss.item():.4f}, held-out pixels mse {val_mse.item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
