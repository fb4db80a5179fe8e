"""Which of two rhythms is in a noisy sequence: a GRU and a head, AdamW with a parameter group for every layer.

Sick, UPD001 tiny-update: the table of rates, one a layer, holds 1e-8 for each of them (a decay factor was applied once
too often). A competent diagnosis names the tiny updates of all layers.
"""

import sys

import torch
from torch import Tensor, nn

RATES = {"rnn": 1e-8, "hidden": 1e-8, "head": 1e-8}


class RhythmNet(nn.Module):
    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.rnn = nn.GRU(2, width, batch_first=True)
        self.hidden = nn.Linear(width, width)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        _, state = self.rnn(x)
        return self.head(torch.tanh(self.hidden(state[-1])))


def make_sequences(count: int) -> tuple[Tensor, Tensor]:
    label = torch.randint(2, (count,))
    time = torch.arange(16.0)
    frequency = torch.where(label == 1, 0.9, 0.5)[:, None]
    phase = 6.28 * torch.rand(count, 1)
    wave = torch.stack([torch.sin(frequency * time + phase), torch.cos(frequency * time + phase)], dim=2)
    return wave + 0.2 * torch.randn_like(wave), label


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_sequences(1000)
    x_val, y_val = make_sequences(300)
    model = RhythmNet()
    optimizer = torch.optim.AdamW(
        [{"params": getattr(model, name).parameters(), "lr": rate} for name, rate in RATES.items()]
    )
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(10):
        for batch in torch.randperm(len(x)).split(40):
            loss = loss_fn(model(x[batch]), y[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            accuracy = (model(x_val).argmax(dim=-1) == y_val).float().mean()
        print(f"epoch {epoch} loss {loss.item():.3f} val accuracy {accuracy.item():.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
