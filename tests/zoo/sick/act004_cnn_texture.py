"""Small synthetic textures (stripes in two directions, checks, blobs) with strided convolutions.

Sick, ACT004 missing-nonlinearity: convolution follows convolution and average pooling; there is no activation between
them, and as the textures come in either sign a linear map cannot tell them apart. A competent diagnosis names the
convolutions without a nonlinearity.
"""

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def textures(n: int) -> tuple[Tensor, Tensor]:
    label = torch.randint(4, (n,))
    t = torch.arange(10)
    wave = (torch.div(t[None] + torch.randint(4, (n, 1)), 2, rounding_mode="floor") % 2) * 2.0 - 1
    horizontal = wave[:, :, None].expand(n, 10, 10)
    vertical = wave[:, None, :].expand(n, 10, 10)
    checks = horizontal * vertical
    blobs = F.interpolate(torch.randn(n, 1, 5, 5), size=(10, 10), mode="bilinear")[:, 0]
    blobs = blobs / blobs.std(dim=(1, 2), keepdim=True)
    kinds = torch.stack([horizontal, vertical, checks, blobs], dim=1)
    images = kinds[torch.arange(n), label] + 0.4 * torch.randn(n, 10, 10)
    return images.unsqueeze(1), label


class TextureNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3)
        self.conv2 = nn.Conv2d(16, 16, 3)
        self.conv3 = nn.Conv2d(16, 16, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        x = self.conv1(x)
        x = self.conv2(x)
        x = self.conv3(x)
        return self.fc(self.pool(x).flatten(1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, y_train = textures(1200)
    x_val, y_val = textures(300)
    net = TextureNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(8):
        net.train()
        for idx in torch.randperm(len(x_train)).split(50):
            loss = F.cross_entropy(net(x_train[idx]), y_train[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.inference_mode():
            logits = net(x_val)
        acc = (logits.argmax(1) == y_val).float().mean().item()
        print(
            f"epoch {epoch}: loss {loss.item():.3f}  val loss {F.cross_entropy(logits, y_val).item():.3f}  val acc {acc:.3f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
