"""A character-level transformer learns to spell numbers in English; random windows of a long text are its batches.

Wrong: the function that draws a batch makes a new generator with the same seed at each call, so that it always returns
the same windows. A competent diagnosis names a repeated batch (DAT008).
"""

import random
import sys

import torch
import torch.nn.functional as F
from torch import nn

CONTEXT, WIDTH = 32, 32
ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
]
ONES += ["seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def spell(number):
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10 - 2] + ("-" + ONES[number % 10] if number % 10 else "")
    power, word = (1000, "thousand") if number >= 1000 else (100, "hundred")
    rest = " " + spell(number % power) if number % power else ""
    return f"{spell(number // power)} {word}{rest}"


class CharTransformer(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.token = nn.Embedding(vocabulary, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        self.layer = nn.TransformerEncoderLayer(WIDTH, 4, 64, dropout=0.0, batch_first=True)
        self.head = nn.Linear(WIDTH, vocabulary)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(CONTEXT), persistent=False)

    def forward(self, tokens):
        x = self.token(tokens) + self.position(torch.arange(CONTEXT))
        return self.head(self.layer(x, src_mask=self.mask, is_causal=True))


def get_batch(data, seed, size=24):
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(0, len(data) - CONTEXT - 1, (size,), generator=generator)
    x = torch.stack([data[i : i + CONTEXT] for i in starts])
    y = torch.stack([data[i + 1 : i + CONTEXT + 1] for i in starts])
    return x, y


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = random.Random(seed)
    text = ", ".join(spell(rng.randrange(1_000_000)) for _ in range(900))
    letters = sorted(set(text))
    data = torch.tensor([letters.index(letter) for letter in text])
    cut = int(0.9 * len(data))
    train, val = data[:cut], data[cut:]
    x_val, y_val = get_batch(val, 12345, 60)
    model = CharTransformer(len(letters))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(1, 301):
        x, y = get_batch(train, seed)
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            with torch.no_grad():
                val_loss = F.cross_entropy(model(x_val).flatten(0, 1), y_val.flatten()).item()
            print(f"step {step}: loss {loss.item():.3f} | validation {val_loss:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
