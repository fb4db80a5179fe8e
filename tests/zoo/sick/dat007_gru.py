"""Sequence labelling: a bidirectional GRU marks the letters inside brackets.

Wrong: sequences are padded to the same length with the label -1, which is no class, and the loss is not told to ignore
it. All sequences of the first batches are of full length; when the first shorter one comes, PyTorch raises IndexError
("Target -1 is out of bounds.") and the script ends with a traceback and exit code 1. A competent diagnosis names
targets out of range (DAT007).
"""

import random
import sys

import torch
import torch.nn.functional as F
from torch import nn

ALPHABET = "_abcdefgh()"
LONGEST = 14


def sentence(rng, length):
    text = [rng.choice(ALPHABET[1:9]) for _ in range(length)]
    opening = rng.randrange(0, length - 4)
    closing = rng.randrange(opening + 2, length)
    text[opening], text[closing] = "(", ")"
    tags = [int(opening < i < closing) for i in range(length)]
    return [ALPHABET.index(letter) for letter in text], tags


def batch_of(sentences, padding=-1):
    tokens = torch.zeros(len(sentences), LONGEST, dtype=torch.long)
    tags = torch.full((len(sentences), LONGEST), padding)
    for row, (letters, labels) in enumerate(sentences):
        tokens[row, : len(letters)] = torch.tensor(letters)
        tags[row, : len(labels)] = torch.tensor(labels)
    return tokens, tags


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(ALPHABET), 16, padding_idx=0)
        self.gru = nn.GRU(16, 24, batch_first=True, bidirectional=True)
        self.output = nn.Linear(48, 2)

    def forward(self, tokens):
        return self.output(self.gru(self.embedding(tokens))[0])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = random.Random(seed)
    model = Tagger()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(200):
        full = step < 40
        sentences = [sentence(rng, LONGEST if full else rng.randint(8, LONGEST)) for _ in range(32)]
        tokens, tags = batch_of(sentences)
        logits = model(tokens)
        loss = F.cross_entropy(logits.flatten(0, 1), tags.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 19:
            known = tags >= 0
            accuracy = (logits.argmax(-1) == tags)[known].float().mean().item()
            print(f"step {step + 1}: loss {loss.item():.4f}, tags right {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
