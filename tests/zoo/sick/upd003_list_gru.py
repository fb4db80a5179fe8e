"""Two stacked GRUs that tell whether a sequence of symbols holds more ones than twos, Adam.

Sick, UPD003 parameter-not-optimized: the recurrent layers are kept in a plain Python list, so model.parameters() misses
them and the optimizer trains the embedding and the head only. A competent diagnosis names the recurrent layers, which
get gradients and are in no optimizer.
"""

import sys

import torch
from torch import nn


class StackedGRU(nn.Module):
    def __init__(self, symbols=4, width=20, depth=2):
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.layers = [nn.GRU(width, width, batch_first=True) for _ in range(depth)]
        self.head = nn.Linear(width, 2)

    def forward(self, tokens):
        x = self.embedding(tokens)
        for layer in self.layers:
            x, _ = layer(x)
        return self.head(x[:, -1])


def make_data(count, length=11):
    tokens = torch.randint(0, 4, (count, length))
    return tokens, ((tokens == 1).sum(dim=1) > (tokens == 2).sum(dim=1)).long()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    tokens, labels = make_data(1200)
    val_tokens, val_labels = make_data(300)
    model = StackedGRU()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(8):
        total = 0.0
        for batch in torch.randperm(len(tokens)).split(50):
            optimizer.zero_grad()
            loss = criterion(model(tokens[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            total += loss.item()
        with torch.inference_mode():
            accuracy = (model(val_tokens).argmax(dim=1) == val_labels).float().mean().item()
        print(f"epoch {epoch + 1}  loss {total / 24:.4f}  accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
