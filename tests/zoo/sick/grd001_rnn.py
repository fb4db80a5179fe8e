"""Digits encoded into the state of a tanh RNN, which is read out after 40 further steps.

Sick, GRD001 vanishing-gradient: the recurrent weights are contracting, so the gradient that arrives at the encoder has
been multiplied forty times by less than one: it is a billion times smaller than that of the read-out, and the state at
the end has forgotten the image. A competent diagnosis names the vanishing gradient (through time).
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class SequenceClassifier(nn.Module):
    def __init__(self, hidden=32, steps=40):
        super().__init__()
        self.encoder = nn.Linear(64, hidden)
        self.positions = nn.Parameter(torch.randn(1, steps, 8))
        self.rnn = nn.RNN(8, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, 10)

    def forward(self, x):
        h0 = torch.tanh(self.encoder(x)).unsqueeze(0)
        _, h = self.rnn(self.positions.expand(len(x), -1, -1), h0)
        return self.readout(h.squeeze(0))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    permutation = torch.randperm(len(x))
    x, y = x[permutation], y[permutation]
    x = (x - x[:1500].mean(0)) / (x[:1500].std(0) + 1e-6)
    x = x.clamp(-3, 3)
    x_train, y_train, x_val, y_val = x[:1500], y[:1500], x[1500:], y[1500:]

    model = SequenceClassifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(8):
        for batch in torch.randperm(1500).split(60):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x_train[batch]), y_train[batch])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
        model.train()
        acc = (logits.argmax(1) == y_val).float().mean().item()
        print(
            f"epoch {epoch + 1} train {loss.item():.4f} val {F.cross_entropy(logits, y_val).item():.4f} acc {acc:.3f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
