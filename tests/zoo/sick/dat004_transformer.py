"""A tiny transformer counts: does token 3 come up more often than token 5 in the sequence?

Wrong: the comparison that makes the label looks at the first position only, which always holds the start token, so
that no sequence is ever positive. A competent diagnosis names constant targets (DAT004).
"""

import sys

import torch
from torch import Tensor, nn

START, VOCABULARY, LENGTH = 0, 8, 15


def sample(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    tokens = torch.randint(1, VOCABULARY, (n, LENGTH), generator=generator)
    tokens[:, 0] = START
    threes, fives = (tokens == 3).cumsum(dim=1), (tokens == 5).cumsum(dim=1)
    label = (threes[:, 0] > fives[:, 0]).long()
    return tokens, label


class Counter(nn.Module):
    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, width)
        self.position = nn.Parameter(0.02 * torch.randn(LENGTH, width))
        self.block = nn.TransformerEncoderLayer(width, nhead=2, dim_feedforward=48, dropout=0.0, batch_first=True)
        self.head = nn.Linear(width, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.block(self.embed(tokens) + self.position)
        return self.head(x.mean(dim=1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = Counter()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    x_val, y_val = sample(400, generator)
    for step in range(1, 301):
        x, y = sample(64, generator)
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 60 == 0:
            model.eval()
            with torch.no_grad():
                accuracy = (model(x_val).argmax(dim=-1) == y_val).float().mean().item()
            model.train()
            print(f"step {step}: loss {loss.item():.5f}, accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
