"""Will a noisy series rise or fall: a two-layer LSTM with dropout between its layers, binary cross-entropy, Adam.

Sick, GEN003 wrong-mode: eval() is called once before the first validation and never undone, so that the dropout that was
asked for acts in the first epoch only. A competent diagnosis says that the network is trained in evaluation mode.
"""

import sys

import torch
from torch import nn


class Direction(nn.Module):
    def __init__(self, hidden=20):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, num_layers=2, dropout=0.4, batch_first=True)
        self.score = nn.Linear(hidden, 1)

    def forward(self, series):
        output, _ = self.lstm(series)
        return self.score(output[:, -1]).squeeze(1)


def series(n):
    slope = torch.randn(n, 1)
    t = torch.linspace(-1, 1, 14)
    values = slope * t + 0.4 * torch.randn(n, 14)
    return values.unsqueeze(2), (slope.squeeze(1) > 0).float()


@torch.no_grad()
def validate(model, criterion, x, y):
    logits = model.eval()(x)
    return criterion(logits, y).item(), ((logits > 0) == (y > 0)).float().mean().item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = series(800)
    x_val, y_val = series(300)
    model = Direction()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(8):
        for index in torch.randperm(800).split(40):
            loss = criterion(model(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        val_loss, accuracy = validate(model, criterion, x_val, y_val)
        print(f"epoch {epoch}: loss {loss.item():.4f} validation {val_loss:.4f} accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
