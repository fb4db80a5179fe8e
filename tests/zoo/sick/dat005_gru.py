"""GRU classifier of four languages' made-up words, letter by letter.

Wrong: the words are generated language by language and used in that order; a batch never mixes languages. A competent
diagnosis names unshuffled batches (DAT005).
"""

import random
import sys

import torch
from torch import nn

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SYLLABLES = {
    "north": ["skar", "vik", "holm", "bjor", "lund", "stad", "fjel"],
    "south": ["ria", "vena", "monte", "cola", "rosa", "bella", "tino"],
    "east": ["ski", "grad", "vost", "mir", "zhen", "krov", "itsa"],
    "west": ["ford", "ham", "bury", "wick", "ton", "thorp", "ley"],
}


def words(rng, per_language, known):
    """As many new words of each language, with a few misspellings; none that is known already."""
    encoded, labels = [], []
    for label, language in enumerate(SYLLABLES):
        while len(labels) < (label + 1) * per_language:
            word = "".join(rng.choices(SYLLABLES[language], k=3))[:12]
            word = "".join(rng.choice(LETTERS) if rng.random() < 0.1 else letter for letter in word)
            if word in known:
                continue
            known.add(word)
            codes = [1 + LETTERS.index(letter) for letter in word]
            encoded.append([0] * (12 - len(codes)) + codes)
            labels.append(label)
    return torch.tensor(encoded), torch.tensor(labels)


class LanguageGuesser(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(27, 12, padding_idx=0)
        self.rnn = nn.GRU(12, 32, batch_first=True)
        self.output = nn.Linear(32, 4)

    def forward(self, letters):
        _, hidden = self.rnn(self.embedding(letters))
        return self.output(hidden.squeeze(0))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = random.Random(seed)
    known = set()
    train_x, train_y = words(rng, 400, known)
    test_x, test_y = words(rng, 100, known)
    model = LanguageGuesser()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(5):
        model.train()
        total, batches = 0.0, 0
        for xb, yb in zip(train_x.split(40), train_y.split(40), strict=True):
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(xb), yb)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            total, batches = total + loss.item(), batches + 1
        model.eval()
        with torch.inference_mode():
            accuracy = (model(test_x).argmax(-1) == test_y).float().mean().item()
        print(f"epoch {epoch + 1}: mean loss {total / batches:.3f}, test accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
