"""Most frequent of three symbols, a GRU, AdamW with linear decay of the learning rate.

Sick, UPD006 zero-learning-rate: the decay was written for the number of epochs (8) and is applied per batch: from the
ninth batch on the rate is exactly 0. A competent diagnosis names the schedule.
"""

import sys

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

EPOCHS = 8


def sequences(n: int) -> tuple[Tensor, Tensor]:
    label = torch.randint(3, (n,))
    symbols = torch.randint(6, (n, 16))
    return torch.where(torch.rand(n, 16) < 0.5, label[:, None], symbols), label


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(6, 12)
        self.gru = nn.GRU(12, 24, batch_first=True)
        self.head = nn.Linear(24, 3)

    def forward(self, symbols: Tensor) -> Tensor:
        states, _ = self.gru(self.embedding(symbols))
        return self.head(states.mean(dim=1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, y_train = sequences(1500)
    x_val, y_val = sequences(400)
    model = Counter()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    scheduler = LambdaLR(optimizer, lambda step: max(0.0, 1 - step / EPOCHS))
    for epoch in range(EPOCHS):
        for index in torch.randperm(1500).split(50):
            loss = criterion(model(x_train[index]), y_train[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
        with torch.inference_mode():
            logits = model(x_val)
            val_loss = criterion(logits, y_val).item()
        accuracy = (logits.argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f} val {val_loss:.4f} acc {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
