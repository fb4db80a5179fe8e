"""A small transformer encoder finds the most frequent symbol of a sequence; AdamW with linear warm-up.

Wrong: the warm-up is set to 500,000 steps, copied from a far larger training, while this one ends after 300. The
learning rate never gets beyond 2e-6. A competent diagnosis names a loss that hardly moves and a learning rate far too
low (LOS003).
"""

import sys

import torch
from torch import nn

SYMBOLS, LENGTH = 4, 16
WARM_UP = 500_000


def sequences(n, generator):
    favourite = torch.randint(0, SYMBOLS, (n, 1), generator=generator)
    tokens = torch.randint(0, SYMBOLS, (n, LENGTH), generator=generator)
    use = torch.rand(n, LENGTH, generator=generator) < 0.35
    return torch.where(use, favourite, tokens), favourite.squeeze(1)


class Encoder(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.embed = nn.Embedding(SYMBOLS, width)
        layer = nn.TransformerEncoderLayer(width, 2, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2)
        self.classify = nn.Linear(width, SYMBOLS)

    def forward(self, tokens):
        return self.classify(self.encoder(self.embed(tokens)).mean(dim=1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    x_val, y_val = sequences(300, generator)
    model = Encoder()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / WARM_UP))
    for step in range(300):
        x, y = sequences(40, generator)
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % 60 == 59:
            with torch.no_grad():
                logits = model(x_val)
                val_loss = criterion(logits, y_val).item()
                accuracy = (logits.argmax(1) == y_val).float().mean().item()
            print(f"step {step + 1}: loss {loss.item():.4f}, validation {val_loss:.4f}, accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
