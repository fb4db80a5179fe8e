"""A generative adversarial network learns a ring of points in the plane; two optimizers, non-saturating loss."""

import math
import sys

import torch
from torch import Tensor, nn

LATENT = 4
BATCH = 128


def sample_ring(count: int) -> Tensor:
    """Points about the circle of radius 1.4: zero mean, standard deviation about one in each direction."""
    angle = 2 * math.pi * torch.rand(count)
    radius = 1.4 + 0.1 * torch.randn(count)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def mlp(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, 48), nn.LeakyReLU(0.2), nn.Linear(48, 48), nn.LeakyReLU(0.2), nn.Linear(48, n_out)
    )


def main(seed: int) -> None:
    torch.manual_seed(seed)
    netG, netD = mlp(LATENT, 2), mlp(2, 1)
    criterion = nn.BCEWithLogitsLoss()
    optimizerG = torch.optim.Adam(netG.parameters(), lr=2e-3, betas=(0.5, 0.999))
    optimizerD = torch.optim.Adam(netD.parameters(), lr=2e-3, betas=(0.5, 0.999))
    real_label, fake_label = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

    for step in range(1, 501):
        # discriminator
        netD.zero_grad()
        loss_real = criterion(netD(sample_ring(BATCH)), real_label)
        fake = netG(torch.randn(BATCH, LATENT))
        loss_fake = criterion(netD(fake.detach()), fake_label)
        lossD = loss_real + loss_fake
        lossD.backward()
        optimizerD.step()
        # generator
        netG.zero_grad()
        lossG = criterion(netD(fake), real_label)
        lossG.backward()
        optimizerG.step()
        if step % 100 == 0:
            with torch.no_grad():
                radius = netG(torch.randn(500, LATENT)).norm(dim=1)
            print(
                f"[{step}] loss D {lossD.item():.3f} loss G {lossG.item():.3f} "
                f"radius {radius.mean():.3f} +- {radius.std():.3f}"
            )

    with torch.no_grad():
        points = netG(torch.randn(2000, LATENT))
    share = ((points.norm(dim=1) - 1.4).abs() < 0.4).float().mean()
    sectors = (torch.atan2(points[:, 1], points[:, 0]) / (math.pi / 4)).floor().unique().numel()
    print(f"on the ring: {share:.3f}, sectors covered: {sectors} of 8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
