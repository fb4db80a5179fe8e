"""A transformer encoder tells for each position of a sequence whether its symbol occurred before.

Wrong: the per-token softmax output goes into nn.CrossEntropyLoss (over the class dimension), so that the loss stays above
0.31 although the answers become right. A competent diagnosis names a double softmax (LOS007).
"""

import sys

import torch
from torch import Tensor, nn

VOCABULARY, LENGTH = 10, 12


class Repeats(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, width)
        self.position = nn.Parameter(torch.randn(LENGTH, width) * 0.1)
        self.layer = nn.TransformerEncoderLayer(width, nhead=4, dim_feedforward=64, dropout=0.0, batch_first=True)
        self.head = nn.Linear(width, 2)
        mask = torch.full((LENGTH, LENGTH), float("-inf")).triu(1)
        self.register_buffer("mask", mask)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.layer(self.embed(tokens) + self.position, src_mask=self.mask)
        return torch.softmax(self.head(x), dim=-1)


def sample(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    tokens = torch.randint(0, VOCABULARY, (n, LENGTH), generator=generator)
    same = tokens.unsqueeze(2) == tokens.unsqueeze(1)
    before = torch.ones(LENGTH, LENGTH).tril(-1).bool()
    return tokens, (same & before).any(dim=2).long()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    x_val, y_val = sample(200, generator)
    model = Repeats()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for step in range(400):
        x, y = sample(48, generator)
        loss = criterion(model(x).transpose(1, 2), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 80 == 79:
            with torch.no_grad():
                probabilities = model(x_val)
                val_loss = criterion(probabilities.transpose(1, 2), y_val).item()
                val_acc = (probabilities.argmax(-1) == y_val).float().mean().item()
            print(f"step {step + 1}: loss {loss.item():.4f} / {val_loss:.4f}, right {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
