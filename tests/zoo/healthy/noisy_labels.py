"""Binary labels of which a fifth is flipped at random: the loss cannot fall below 0.50, the network still learns."""

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

FLIPPED = 0.2


def make_data(count: int) -> tuple[Tensor, Tensor, Tensor]:
    x = torch.randn(count, 6)
    clean = (x[:, 0] * 1.2 + x[:, 1] - x[:, 2].abs() + 0.6 > 0).float()
    flip = torch.rand(count) < FLIPPED
    return x, torch.where(flip, 1 - clean, clean), clean


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, y_train, _ = make_data(4000)
    x_val, y_val, clean_val = make_data(1000)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=80, shuffle=True)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.05)
    for epoch in range(8):
        model.train()
        total = 0.0
        for x, y in loader:
            loss = F.binary_cross_entropy_with_logits(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
            val_loss = F.binary_cross_entropy_with_logits(logits, y_val).item()
            noisy = ((logits > 0).float() == y_val).float().mean().item()
            clean = ((logits > 0).float() == clean_val).float().mean().item()
        print(
            f"epoch {epoch + 1}: train {total / len(loader):.4f} val {val_loss:.4f} acc {noisy:.3f}, true {clean:.3f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
