"""Rows of digit images as a sequence, read by a small transformer encoder; Adam.

Sick, UPD003 parameter-not-optimized: the encoder is frozen with requires_grad_(False), as one would with a pretrained one,
but its weights were never loaded and are random. A competent diagnosis names the encoder, frozen at its random start.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class RowTransformer(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.embed = nn.Linear(8, width)
        self.position = nn.Parameter(0.1 * torch.randn(8, width))
        self.encoder = nn.TransformerEncoderLayer(width, nhead=2, dim_feedforward=48, dropout=0.0, batch_first=True)
        self.head = nn.Linear(width, 10)

    def forward(self, rows):
        x = self.encoder(self.embed(rows) + self.position)
        return self.head(x.mean(dim=1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32)
    x = (x - x.mean()) / x.std()
    y = torch.tensor(digits.target)
    order = torch.randperm(len(x))
    train, val = order[:1440], order[1440:]
    model = RowTransformer()
    model.encoder.requires_grad_(False)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trainable, lr=3e-3)
    for epoch in range(8):
        model.train()
        for batch in train[torch.randperm(len(train))].split(48):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            output = model(x[val])
            accuracy = (output.argmax(dim=1) == y[val]).float().mean().item()
            print(f"epoch {epoch}: val loss {F.cross_entropy(output, y[val]).item():.3f}, accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
