"""Spam or not from a message's 12 words: embedding and GRU, binary cross-entropy, RMSprop.

Sick, GEN001 overfitting: 160 messages of 400 different words, most of which say nothing: the network remembers the
messages themselves. It is sure of all of them and no better than at the beginning on new ones. A competent diagnosis
names overfitting.
"""

import sys

import torch
from torch import Tensor, nn

WORDS, LENGTH = 400, 12


def messages(n: int) -> tuple[Tensor, Tensor]:
    words = torch.randint(WORDS, (n, LENGTH))
    telling = ((words < 60).sum(1) - (words >= 340).sum(1)).float()
    spam = torch.sigmoid(1.2 * telling) > torch.rand(n)
    return words, spam.float()


class SpamFilter(nn.Module):
    def __init__(self, dim: int = 32, hidden: int = 48) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, dim)
        self.gru = nn.GRU(dim, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, words: Tensor) -> Tensor:
        states, _ = self.gru(self.embedding(words))
        return self.head(states.mean(dim=1)).squeeze(1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    train_words, train_spam = messages(160)
    val_words, val_spam = messages(400)
    model = SpamFilter()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)
    for epoch in range(40):
        model.train()
        for index in torch.randperm(160).split(20):
            optimizer.zero_grad()
            loss = criterion(model(train_words[index]), train_spam[index])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            logits = model(val_words)
            val_loss = criterion(logits, val_spam)
        if epoch % 5 == 4:
            accuracy = ((logits > 0).float() == val_spam).float().mean()
            print(f"{epoch + 1:3d} loss {loss.item():.4f} val {val_loss.item():.4f} accuracy {accuracy.item():.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
