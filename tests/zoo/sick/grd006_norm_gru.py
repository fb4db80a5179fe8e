"""Counting matches in symbol sequences with a GRU, SGD with momentum and a warm-up of the learning rate.

Sick, GRD006 over-clipped: recurrent networks are clipped, but max_norm was meant as 1.0 and says 1e-3.
A competent diagnosis names the threshold, far below the gradients' norm.
"""

import sys

import torch
import torch.nn as nn


def make_sequences(n: int, length: int, generator: torch.Generator):
    """Symbols 0 to 4; the class is the most frequent of the first three symbols."""
    label = torch.randint(3, (n,), generator=generator)
    symbols = torch.randint(5, (n, length), generator=generator)
    own = torch.rand(n, length, generator=generator) < 0.45
    return torch.where(own, label[:, None], symbols), label


class CountingGRU(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 8)
        self.gru = nn.GRU(8, 24, batch_first=True)
        self.head = nn.Linear(24, 3)

    def forward(self, symbols):
        states, _ = self.gru(self.embedding(symbols))
        return self.head(states.mean(dim=1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    x_train, y_train = make_sequences(2000, 20, generator)
    x_val, y_val = make_sequences(400, 20, generator)
    model = CountingGRU()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=20)
    for epoch in range(6):
        for batch in torch.randperm(2000).split(50):
            loss = criterion(model(x_train[batch]), y_train[batch])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
            optimizer.step()
            scheduler.step()
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
        model.train()
        acc = (logits.argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch} | train {loss.item():.3f} | val {criterion(logits, y_val).item():.3f} | acc {acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
