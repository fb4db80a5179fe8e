"""Digits read row by row: a GRU over eight time steps, the last hidden state is classified."""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class RowReader(nn.Module):
    def __init__(self, hidden: int = 40) -> None:
        super().__init__()
        self.rnn = nn.GRU(input_size=8, hidden_size=hidden, batch_first=True)
        self.head = nn.Linear(hidden, 10)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        _, last = self.rnn(rows)
        return self.head(last[-1])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    rows = torch.tensor(digits.images, dtype=torch.float32)
    rows = (rows - rows.mean()) / rows.std()
    dataset = TensorDataset(rows, torch.tensor(digits.target))
    train_ds, val_ds = random_split(dataset, [0.8, 0.2])
    train_dl = DataLoader(train_ds, batch_size=48, shuffle=True)
    val_dl = DataLoader(val_ds, batch_size=len(val_ds))

    model = RowReader()
    loss_fn = nn.CrossEntropyLoss()
    opt = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(10):
        model.train()
        epoch_loss = 0.0
        for x, y in train_dl:
            loss = loss_fn(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            epoch_loss += loss.item()
        model.eval()
        with torch.no_grad():
            x, y = next(iter(val_dl))
            logits = model(x)
            val_loss, val_acc = loss_fn(logits, y).item(), (logits.argmax(1) == y).float().mean().item()
        print(f"{epoch + 1:2d} train {epoch_loss / len(train_dl):.4f} valid {val_loss:.4f} acc {val_acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
