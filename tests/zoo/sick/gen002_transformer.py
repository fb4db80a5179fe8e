"""Which of eight words comes most often in a sentence: a transformer encoder of width 4 with dropout 0.5, AdamW.

Sick, GEN002 underfitting: four channels, half of which are dropped everywhere, do not suffice to count; the loss settles
far above zero, and the validation loss beside it. A competent diagnosis says that there is room: a larger network, or
less dropout.
"""

import sys

import torch
import torch.nn as nn
from torch import Tensor

WORDS, LENGTH = 8, 13


def sentences(n: int) -> tuple[Tensor, Tensor]:
    favourite = torch.randint(WORDS, (n, 1))
    words = torch.where(torch.rand(n, LENGTH) < 0.2, favourite, torch.randint(WORDS, (n, LENGTH)))
    return words, torch.nn.functional.one_hot(words, WORDS).sum(1).argmax(1)


class WordCounter(nn.Module):
    def __init__(self, width: int = 4, dropout: float = 0.5) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, width)
        self.encoder = nn.TransformerEncoderLayer(width, 2, 8, dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, WORDS)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.dropout(self.encoder(self.embedding(words)).mean(1)))


def evaluate(model: nn.Module, words: Tensor, target: Tensor, criterion: nn.Module) -> tuple[float, float]:
    model.eval()
    with torch.no_grad():
        logits = model(words)
    return criterion(logits, target).item(), (logits.argmax(1) == target).float().mean().item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    words, target = sentences(2000)
    val_words, val_target = sentences(500)
    model = WordCounter()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for epoch in range(10):
        model.train()
        for index in torch.randperm(2000).split(50):
            loss = criterion(model(words[index]), target[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        train = evaluate(model, words, target, criterion)
        val = evaluate(model, val_words, val_target, criterion)
        print(f"epoch {epoch}: train {train[0]:.3f} ({train[1]:.2f}) val {val[0]:.3f} ({val[1]:.2f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
