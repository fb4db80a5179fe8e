"""Digits with six tanh layers, Xavier initialisation with tanh's gain, and SGD."""

import itertools
import sys

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn


class DeepTanh(nn.Module):
    """Six hidden layers of the same width."""

    def __init__(self, n_in: int, width: int, n_out: int, depth: int = 6) -> None:
        super().__init__()
        sizes = [n_in] + [width] * depth
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.out = nn.Linear(width, n_out)
        for layer in self.hidden:
            nn.init.xavier_normal_(layer.weight, gain=nn.init.calculate_gain("tanh"))
            nn.init.zeros_(layer.bias)
        nn.init.xavier_normal_(self.out.weight, gain=0.5)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        return self.out(x)


@torch.no_grad()
def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    logits = model(x)
    return nn.functional.cross_entropy(logits, y).item(), (logits.argmax(-1) == y).double().mean().item()


def main(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    data = load_digits()
    x = torch.as_tensor(data.data / 16.0, dtype=torch.float32)
    y = torch.as_tensor(data.target)
    split = torch.randperm(len(x), generator=generator)
    train, val = split[:1437], split[1437:]
    x = (x - x[train].mean(0)) / x[train].std()

    model = DeepTanh(64, 64, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-3)
    for epoch in range(8):
        for batch in train[torch.randperm(len(train), generator=generator)].split(64):
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        val_loss, val_acc = evaluate(model, x[val], y[val])
        print(f"{epoch:3d} | train {loss.item():.4f} | val {val_loss:.4f} | acc {val_acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
