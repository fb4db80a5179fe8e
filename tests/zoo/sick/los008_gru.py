"""A GRU decides whether a bit string holds more ones than zeros; data are generated on the fly.

Wrong: inputs and labels come from two calls of the generator, hence from different strings. A competent diagnosis names
a training at chance level (LOS008).
"""

import sys

import torch
from torch import nn

LENGTH = 15


class Data:
    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def strings(self, n):
        share = torch.rand(n, 1, generator=self.generator)
        return (torch.rand(n, LENGTH, generator=self.generator) < share).float()


def label(bits):
    return (bits.sum(dim=1) > LENGTH / 2).float()


class Majority(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(1, 20, batch_first=True)
        self.out = nn.Linear(20, 1)

    def forward(self, bits):
        _, h = self.gru(2 * bits.unsqueeze(-1) - 1)
        return self.out(h[-1]).squeeze(-1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    data = Data(seed)
    model = Majority()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    x_val = data.strings(300)
    y_val = label(x_val)
    for step in range(300):
        x = data.strings(64)
        y = label(data.strings(64))
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 50 == 0:
            model.eval()
            with torch.no_grad():
                accuracy = ((model(x_val) > 0) == (y_val > 0.5)).float().mean().item()
            model.train()
            print(f"step {step + 1}: loss {loss.item():.4f}, accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
