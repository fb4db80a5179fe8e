"""Topic of a short synthetic text: nn.EmbeddingBag and a small MLP, AdamW.

Sick, UPD005 decay-dominates: AdamW with weight_decay=10 and a learning rate of 0.02 takes a fifth off every weight at
each step; little of what is learned survives. A competent diagnosis names the weight decay.
"""

import sys

import torch
import torch.nn as nn
from torch import Tensor

TOPICS, WORDS, LENGTH = 4, 160, 14


def documents(n: int) -> tuple[Tensor, Tensor]:
    topic = torch.randint(TOPICS, (n,))
    own = topic[:, None] * 40 + torch.randint(40, (n, LENGTH))
    common = torch.randint(WORDS, (n, LENGTH))
    return torch.where(torch.rand(n, LENGTH) < 0.5, own, common), topic


class TextClassifier(nn.Module):
    def __init__(self, dim: int = 24) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(WORDS, dim, mode="mean")
        self.hidden = nn.Linear(dim, dim)
        self.fc = nn.Linear(dim, TOPICS)

    def forward(self, text: Tensor) -> Tensor:
        return self.fc(torch.relu(self.hidden(self.embedding(text))))


def evaluate(model: nn.Module, text: Tensor, topic: Tensor) -> float:
    model.eval()
    with torch.no_grad():
        accuracy = (model(text).argmax(1) == topic).float().mean().item()
    model.train()
    return accuracy


def main(seed: int) -> None:
    torch.manual_seed(seed)
    train_text, train_topic = documents(2000)
    val_text, val_topic = documents(400)
    model = TextClassifier()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=10.0)
    for epoch in range(5):
        for index in torch.randperm(2000).chunk(40):
            optimizer.zero_grad()
            loss = criterion(model(train_text[index]), train_topic[index])
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f} val acc {evaluate(model, val_text, val_topic):.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
