"""Digits with a deep tanh MLP, the weights drawn by hand from a normal distribution.

Sick, INI002 shrinking-activations: weights are 0.01 · N(0, 1) in ten layers of 100 units, so the standard deviation of
the activations falls about tenfold in every layer; the last hidden layers and all gradients are practically zero.
A competent diagnosis names the shrinking activations (too small an initialisation); vanishing gradients follow from it.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

DEPTH = 10
WIDTH = 100


class DeepTanh(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = [64] + [WIDTH] * DEPTH
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        self.out = nn.Linear(WIDTH, 10)
        for layer in self.hidden:
            layer.weight.data = 0.01 * torch.randn(layer.out_features, layer.in_features)
            layer.bias.data.zero_()

    def forward(self, x):
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        return self.out(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    perm = torch.randperm(len(x))
    x, y = x[perm], y[perm]
    x_train, y_train, x_val, y_val = x[:1400], y[:1400], x[1400:], y[1400:]
    mean, std = x_train.mean(0), x_train.std(0)
    std[std == 0] = 1.0
    x_train, x_val = ((x_train - mean) / std).clamp(-4, 4), ((x_val - mean) / std).clamp(-4, 4)

    model = DeepTanh()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    batch_size = 100
    for epoch in range(15):
        perm = torch.randperm(len(x_train))
        running = 0.0
        for i in range(0, len(x_train), batch_size):
            idx = perm[i : i + batch_size]
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x_train[idx]), y_train[idx])
            loss.backward()
            optimizer.step()
            running += loss.item() * len(idx)
        with torch.no_grad():
            logits = model(x_val)
        val_loss, acc = F.cross_entropy(logits, y_val).item(), (logits.argmax(1) == y_val).float().mean().item()
        print(f"{epoch:3d} train {running / len(x_train):.4f} val {val_loss:.4f} acc {acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
