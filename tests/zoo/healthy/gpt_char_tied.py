"""A one-block character language model with tied input and output embeddings, on the docstrings of Python's types."""

import math
import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

CONTEXT = 24
DIM = 48
STEPS = 400


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.proj = nn.Linear(dim, dim)

    def split(self, x: Tensor) -> Tensor:
        batch, length, dim = x.shape
        return x.view(batch, length, self.heads, dim // self.heads).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(q.shape[-1])
        future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        weights = scores.masked_fill(future, float("-inf")).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).flatten(2))


class CharModel(nn.Module):
    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, DIM)
        self.positions = nn.Parameter(torch.zeros(CONTEXT, DIM))
        self.norm1 = nn.LayerNorm(DIM)
        self.attention = Attention(DIM, heads=3)
        self.norm2 = nn.LayerNorm(DIM)
        self.up = nn.Linear(DIM, 3 * DIM)
        self.down = nn.Linear(3 * DIM, DIM)
        self.norm3 = nn.LayerNorm(DIM)
        self.head = nn.Linear(DIM, vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        nn.init.normal_(self.tokens.weight, std=0.05)
        nn.init.normal_(self.positions, std=0.05)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.positions[: ids.shape[1]]
        x = x + self.attention(self.norm1(x))
        x = x + self.down(F.gelu(self.up(self.norm2(x))))
        return self.head(self.norm3(x))


def corpus() -> str:
    """Docstrings of built-in types and their methods, lower case, letters and a little punctuation only."""
    texts = []
    for cls in (str, list, dict, set, bytes, float, int, tuple, range, object):
        texts += [getattr(cls, name).__doc__ or "" for name in sorted(dir(cls))]
    text = " ".join(" ".join(texts).lower().split())
    return "".join(c for c in text if c in "abcdefghijklmnopqrstuvwxyz .,'-()")


def warmup_cosine(step: int) -> float:
    if step < 20:
        return (step + 1) / 20
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - 20) / (STEPS - 20)))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    text = corpus()
    alphabet = sorted(set(text))
    ids = torch.tensor([alphabet.index(c) for c in text])
    windows = ids.unfold(0, CONTEXT + 1, CONTEXT)
    windows = windows[torch.randperm(len(windows))]
    held_out, training = windows[:80], windows[80:]

    model = CharModel(len(alphabet))
    decay = [p for p in model.parameters() if p.dim() == 2]
    no_decay = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.05}, {"params": no_decay, "weight_decay": 0.0}], lr=5e-3
    )
    scheduler = LambdaLR(optimizer, warmup_cosine)
    for step in range(STEPS):
        batch = training[torch.randint(len(training), (20,))]
        loss = F.cross_entropy(model(batch[:, :-1]).transpose(1, 2), batch[:, 1:])
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        if step % 80 == 79:
            model.eval()
            with torch.no_grad():
                logits = model(held_out[:, :-1])
                bits = F.cross_entropy(logits.flatten(0, 1), held_out[:, 1:].flatten()) / math.log(2)
            model.train()
            print(f"{step + 1} loss {loss.item():.3f} grad norm {norm:.2f} held-out bits per character {bits:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
