"""Digits with sixteen softplus layers of 64 units, SGD with momentum.

Sick, GRD001 vanishing-gradient: softplus keeps the size of the activations, but its slope averages one half, so every
layer halves the gradient on the way back; the first layers get a ten-thousandth of what the last one gets.
A competent diagnosis names the vanishing gradient.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class SoftplusNet(nn.Module):
    def __init__(self, depth=16, width=64):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(64, width)])
        self.layers.extend(nn.Linear(width, width) for _ in range(depth - 1))
        self.out = nn.Linear(width, 10)
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=width**-0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in self.layers:
            x = F.softplus(layer(x))
        return self.out(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    order = torch.randperm(len(digits.data)).numpy()
    data, target = digits.data[order], torch.tensor(digits.target[order])
    scaler = StandardScaler().fit(data[:1400])
    data = torch.tensor(scaler.transform(data), dtype=torch.float32).clamp(-3, 3)
    train_loader = DataLoader(TensorDataset(data[:1400], target[:1400]), batch_size=70, shuffle=True)

    net = SoftplusNet()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(9):
        net.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            logits = net(data[1400:])
            val_loss = F.cross_entropy(logits, target[1400:])
            val_acc = (logits.argmax(1) == target[1400:]).float().mean()
        print(f"epoch {epoch} loss {loss.item():.4f} val_loss {val_loss.item():.4f} val_acc {val_acc.item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
