"""Denoising diffusion of four clusters: the network predicts the noise; sampling uses an average of the weights."""

import copy
import math
import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TIMESTEPS = 40


class NoisePredictor(nn.Module):
    def __init__(self, hidden: int = 96) -> None:
        super().__init__()
        self.time = nn.Embedding(TIMESTEPS, 16)
        self.input = nn.Linear(2 + 16, hidden)
        self.middle1 = nn.Linear(hidden, hidden)
        self.middle2 = nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, 2)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = F.silu(self.input(torch.cat([x, self.time(t)], dim=1)))
        h = F.silu(self.middle1(h))
        h = F.silu(self.middle2(h))
        return self.output(h)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    for a, p in zip(average.parameters(), model.parameters(), strict=True):
        a.lerp_(p, 1 - decay)


@torch.no_grad()
def sample(model: nn.Module, count: int, beta: Tensor, alpha_bar: Tensor) -> Tensor:
    x = torch.randn(count, 2)
    for t in reversed(range(TIMESTEPS)):
        eps = model(x, torch.full((count,), t))
        x = (x - beta[t] / (1 - alpha_bar[t]).sqrt() * eps) / (1 - beta[t]).sqrt()
        if t > 0:
            x = x + beta[t].sqrt() * torch.randn_like(x)
    return x


def main(seed: int) -> None:
    torch.manual_seed(seed)
    angle = torch.arange(4) * math.pi / 2
    centres = 1.4 * torch.stack([angle.cos(), angle.sin()], dim=1)
    train = centres[torch.randint(4, (3000,))] + 0.1 * torch.randn(3000, 2)
    beta = torch.linspace(1e-3, 0.2, TIMESTEPS)
    alpha_bar = torch.cumprod(1 - beta, dim=0)

    model = NoisePredictor()
    average = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    recent = []
    for step in range(1, 801):
        x0 = train[torch.randint(len(train), (128,))]
        t = torch.randint(TIMESTEPS, (128,))
        noise = torch.randn_like(x0)
        scale = alpha_bar[t].unsqueeze(1)
        loss = F.mse_loss(model(scale.sqrt() * x0 + (1 - scale).sqrt() * noise, t), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        update_average(average, model, decay=0.98)
        recent.append(loss.item())
        if step % 200 == 0:
            print(f"step {step}: loss {sum(recent[-100:]) / 100:.4f}")

    distance, cluster = torch.cdist(sample(average, 1000, beta, alpha_bar), centres).min(dim=1)
    share = (distance < 0.4).float().mean().item()
    print(f"samples within 0.4 of a centre: {share:.3f}; by cluster {cluster.bincount(minlength=4).tolist()}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
