"""A small U-Net with skip connections and group norm removes noise and blur from digit images (L1 loss)."""

import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split


class DoubleConv(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.GroupNorm(4, out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.GroupNorm(4, out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class UNet(nn.Module):
    def __init__(self, base: int = 8) -> None:
        super().__init__()
        self.inc = DoubleConv(1, base)
        self.down1 = DoubleConv(base, 2 * base)
        self.down2 = DoubleConv(2 * base, 2 * base)
        self.up1 = DoubleConv(4 * base, base)
        self.up2 = DoubleConv(2 * base, base)
        self.outc = nn.Conv2d(base, 1, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(F.max_pool2d(x1, 2))
        x3 = self.down2(F.max_pool2d(x2, 2))
        x = self.up1(torch.cat([x2, F.interpolate(x3, scale_factor=2)], dim=1))
        x = self.up2(torch.cat([x1, F.interpolate(x, scale_factor=2)], dim=1))
        return self.outc(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    clean = torch.tensor(load_digits().images[:1000], dtype=torch.float32).unsqueeze(1)
    clean = (clean - clean.mean()) / clean.std()
    noisy = F.avg_pool2d(clean, 3, stride=1, padding=1) + 0.3 * torch.randn_like(clean)
    noisy = (noisy - noisy.mean()) / noisy.std()
    train_set, val_set = random_split(TensorDataset(noisy, clean), [800, 200])
    train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=200)

    net = UNet()
    criterion = nn.L1Loss()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    for epoch in range(8):
        net.train()
        epoch_loss = 0.0
        for images, targets in train_loader:
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(net(images), targets)
            loss.backward()
            optimizer.step()
            epoch_loss += loss.item()
        net.eval()
        with torch.inference_mode():
            images, targets = next(iter(val_loader))
            val_loss = criterion(net(images), targets).item()
            untouched = criterion(images, targets).item()
        print(f"epoch {epoch}: {epoch_loss / len(train_loader):.4f}, val {val_loss:.4f} (noisy input: {untouched:.4f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
