"""A GRU predicts the next character of counting rhymes generated on the fly.

Wrong: Adam runs with a learning rate of 2.0. The output weights grow without limit and the loss with them, from about 3
to over 20. A competent diagnosis names an exploding loss (LOS002).
"""

import sys

import torch
import torch.nn.functional as F
from torch import nn

SYMBOLS = 20
PERIODS = (3, 4, 5)


def rhymes(n, length=20):
    """Sequences that repeat a random phrase of 3 to 5 symbols."""
    period = torch.tensor(PERIODS)[torch.randint(0, len(PERIODS), (n, 1))]
    phrase = torch.randint(0, SYMBOLS, (n, max(PERIODS)))
    return phrase.gather(1, torch.arange(length).unsqueeze(0) % period)


class NextSymbol(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.embed = nn.Embedding(SYMBOLS, 24)
        self.gru = nn.GRU(24, hidden, batch_first=True)
        self.decode = nn.Linear(hidden, SYMBOLS)

    def forward(self, tokens):
        hidden, _ = self.gru(self.embed(tokens))
        return self.decode(hidden)


def loss_of(model, tokens):
    logits = model(tokens[:, :-1])
    return F.cross_entropy(logits.reshape(-1, SYMBOLS), tokens[:, 1:].reshape(-1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    model = NextSymbol()
    held_out = rhymes(200)
    optimizer = torch.optim.Adam(model.parameters(), lr=2.0)
    losses = []
    for step in range(300):
        optimizer.zero_grad()
        loss = loss_of(model, rhymes(24))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            with torch.no_grad():
                test = loss_of(model, held_out).item()
            print(f"step {step + 1}: loss {losses[-1]:.3f}, held-out {test:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
