"""Autoencoder whose decoder uses the transposed weight of its encoder, on digits."""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class TiedAutoencoder(nn.Module):
    def __init__(self, n_visible: int, n_hidden: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_hidden, n_visible))
        self.bias_hidden = nn.Parameter(torch.zeros(n_hidden))
        self.bias_visible = nn.Parameter(torch.zeros(n_visible))
        nn.init.xavier_uniform_(self.weight)

    def encode(self, x):
        return torch.tanh(F.linear(x, self.weight, self.bias_hidden))

    def decode(self, h):
        return F.linear(h, self.weight.t(), self.bias_visible)

    def forward(self, x):
        return self.decode(self.encode(x))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.tensor(load_digits().data, dtype=torch.float32)
    x = x[torch.randperm(len(x))]
    x = (x - x.mean(dim=0)) / x.std()
    train, test = x[:1440], x[1440:]

    model = TiedAutoencoder(64, 20)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    print("parameters:", sum(p.numel() for p in model.parameters()))
    for epoch in range(1, 13):
        total = 0.0
        for batch in train[torch.randperm(len(train))].split(60):
            loss = F.mse_loss(model(batch), batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 3 == 0:
            print(f"epoch {epoch}: reconstruction error {total / 24:.4f}")
    with torch.no_grad():
        error = F.mse_loss(model(test), test).item()
    print(f"test: error {error:.4f}, explained variance {1 - error / test.var().item():.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
