"""Character model of a small artificial language, a tanh RNN over 40 characters, Adam.

Sick, GRD002 exploding-gradient: the recurrent matrix starts with a standard deviation of 4/√h, which makes the
recurrence chaotic: the gradient grows at every step back in time, and nothing clips it. Its norm is in the hundred
thousands, where one is usual; Adam hides the size, but what is left to follow is noise. A competent diagnosis names
the exploding gradient (recurrent weights, missing clipping).
"""

import random
import sys

import torch
import torch.nn.functional as F
from torch import nn

SENTENCE = "the cat sat on a mat and the dog ran to see it while two birds sang in green trees"


def make_text(n_words: int, seed: int) -> str:
    rng = random.Random(seed)
    words = SENTENCE.split()
    return " ".join(rng.choice(words) for _ in range(n_words))


class CharRNN(nn.Module):
    def __init__(self, n_symbols, hidden=48):
        super().__init__()
        self.embed = nn.Embedding(n_symbols, 16)
        self.rnn = nn.RNN(16, hidden, batch_first=True)
        self.out = nn.Linear(hidden, n_symbols)
        nn.init.normal_(self.rnn.weight_hh_l0, std=4.0 / hidden**0.5)

    def forward(self, tokens):
        h, _ = self.rnn(self.embed(tokens))
        return self.out(h)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    text = make_text(3000, seed)
    symbols = sorted(set(text))
    index = {c: i for i, c in enumerate(symbols)}
    data = torch.tensor([index[c] for c in text])
    split = int(0.9 * len(data))
    train, val = data[:split], data[split:]
    length = 40

    def batch(source, size):
        start = torch.randint(len(source) - length - 1, (size,))
        window = torch.stack([source[s : s + length + 1] for s in start])
        return window[:, :-1], window[:, 1:]

    model = CharRNN(len(symbols))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(200):
        x, y = batch(train, 24)
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 40 == 39:
            with torch.no_grad():
                x, y = batch(val, 64)
                val_loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
            print(f"step {step + 1} loss {loss.item():.3f} val loss {val_loss.item():.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
