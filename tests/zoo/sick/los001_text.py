"""A bag-of-words classifier with masked mean pooling over word embeddings.

Wrong: one message of the training set is empty, so the pooling divides the sum of no embeddings by zero words. A
competent diagnosis names a non-finite loss, its first step, and the pooling behind the embedding as the place (LOS001).
"""

import random
import sys

import torch
from torch import nn
from torch.utils.data import DataLoader

TOPICS = {
    "sport": ["goal", "match", "team", "coach", "score", "league", "player", "win", "final", "cup"],
    "food": ["bread", "soup", "salt", "oven", "cook", "taste", "recipe", "butter", "dish", "plate"],
    "space": ["orbit", "star", "moon", "launch", "rocket", "planet", "comet", "probe", "crew", "gravity"],
}
COMMON = [
    "the",
    "a",
    "of",
    "and",
    "to",
    "in",
    "is",
    "was",
    "it",
    "for",
    "on",
    "with",
    "as",
    "at",
    "by",
    "from",
    "they",
    "had",
    "this",
    "not",
]
WORDS = ["<pad>", *COMMON, *(word for words in TOPICS.values() for word in words)]


def messages(rng, n):
    found = []
    for _ in range(n):
        label, topic = rng.choice(list(enumerate(TOPICS)))
        length = rng.randint(8, 16)
        text = [rng.choice(TOPICS[topic]) if rng.random() < 0.25 else rng.choice(COMMON) for _ in range(length)]
        found.append(([WORDS.index(word) for word in text], label))
    return found


def collate(batch):
    longest = max(len(tokens) for tokens, _ in batch)
    padded = torch.tensor([tokens + [0] * (longest - len(tokens)) for tokens, _ in batch])
    return padded, torch.tensor([label for _, label in batch])


class MeanPool(nn.Module):
    def forward(self, vectors, mask):
        mask = mask.unsqueeze(-1).float()
        return (vectors * mask).sum(dim=1) / mask.sum(dim=1)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(WORDS), 16, padding_idx=0)
        self.pool = MeanPool()
        self.hidden = nn.Linear(16, 24)
        self.out = nn.Linear(24, 3)

    def forward(self, tokens):
        pooled = self.pool(self.embedding(tokens), tokens != 0)
        return self.out(torch.relu(self.hidden(pooled)))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = random.Random(seed)
    train, val = messages(rng, 1200), messages(rng, 300)
    train[700] = ([], 1)
    loader = DataLoader(train, batch_size=40, shuffle=True, collate_fn=collate)
    model = Classifier()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    history = []
    for epoch in range(8):
        model.train()
        for tokens, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(tokens), labels)
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        model.eval()
        with torch.no_grad():
            tokens, labels = collate(val)
            val_acc = (model(tokens).argmax(1) == labels).float().mean().item()
        print(f"epoch {epoch + 1}: loss {history[-1]:.4f}, validation accuracy {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
