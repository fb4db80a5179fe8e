"""Digits through an encoder and a classifier head, SGD with momentum.

Sick, GRD004 no-gradient: the code is detached between encoder and head, so the encoder never gets a gradient and keeps its
random weights, although the optimizer holds them. The accuracy looks acceptable all the same.
A competent diagnosis names the encoder's parameters that get no gradient.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Encoder(nn.Module):
    def __init__(self, code=12):
        super().__init__()
        self.fc1 = nn.Linear(64, 64)
        self.fc2 = nn.Linear(64, code)

    def forward(self, x):
        return torch.tanh(self.fc2(F.relu(self.fc1(x))))


class EncoderClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.head = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, x):
        code = self.encoder(x).detach()
        return self.head(code)


@torch.no_grad()
def score(model, x, y):
    model.eval()
    logits = model(x)
    model.train()
    return F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    x = (x - x[:1440].mean(0)) / x[:1440].std()
    loader = DataLoader(TensorDataset(x[:1440], y[:1440]), batch_size=60, shuffle=True)

    model = EncoderClassifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(10):
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(xb), yb)
            loss.backward()
            optimizer.step()
        val_loss, val_acc = score(model, x[1440:], y[1440:])
        print(f"epoch {epoch} loss {loss.item():.3f} val {val_loss:.3f} acc {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
