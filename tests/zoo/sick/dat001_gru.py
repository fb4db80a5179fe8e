"""A GRU tells three vibration patterns apart in a noisy sensor trace.

Wrong: the accelerometer's constant bias (gravity) of five standard deviations stays in the signal. A competent
diagnosis names uncentred inputs (DAT001).
"""

import math
import sys

import torch
from torch import Tensor, nn

GRAVITY = 5.0


def make_traces(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    labels = torch.randint(0, 3, (n,), generator=generator)
    frequency = torch.tensor([1.0, 2.0, 3.5])[labels].unsqueeze(1)
    time = torch.linspace(0, 1, 24).unsqueeze(0)
    phase = torch.rand(n, 1, generator=generator) * 2 * math.pi
    wave = math.sqrt(2) * torch.sin(2 * math.pi * frequency * time + phase)
    noise = 0.2 * torch.randn(n, 24, generator=generator)
    return (wave + noise + GRAVITY).unsqueeze(2), labels


class TraceClassifier(nn.Module):
    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        self.rnn = nn.GRU(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 3)

    def forward(self, x: Tensor) -> Tensor:
        _, last = self.rnn(x)
        return self.head(last[0])


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    model.eval()
    result = (model(x).argmax(dim=1) == y).float().mean().item()
    model.train()
    return result


def main(seed: int) -> None:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    x, y = make_traces(1600, generator)
    x_val, y_val = make_traces(300, generator)

    model = TraceClassifier()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(6):
        for idx in torch.randperm(len(x), generator=generator).split(50):
            optimizer.zero_grad()
            loss = loss_fn(model(x[idx]), y[idx])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}  validation accuracy {accuracy(model, x_val, y_val):.3f}")
    final = accuracy(model, x_val, y_val)
    print(f"done: {final:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
