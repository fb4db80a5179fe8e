"""Fraud detection on twelve standardised features with a binary head.

Wrong: one transaction in 41 is fraud and nothing in the training makes up for it; accuracy looks excellent because the
majority answer is right 98 % of the time. A competent diagnosis names class imbalance (DAT006).
"""

import sys

import torch
from sklearn.datasets import make_classification
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

FRAUD_SHARE = 1 / 41


def load(seed):
    x, y = make_classification(
        n_samples=9000,
        n_features=12,
        n_informative=6,
        n_redundant=2,
        weights=[0.5],
        flip_y=0.01,
        class_sep=1.0,
        random_state=seed,
    )
    x = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)
    y = torch.tensor(y, dtype=torch.float32)
    fraud, honest = (y == 1).nonzero().squeeze(1), (y == 0).nonzero().squeeze(1)
    n = 4100
    rows = torch.cat([fraud[: round(n * FRAUD_SHARE)], honest[: n - round(n * FRAUD_SHARE)]])
    rows = rows[torch.randperm(len(rows))]
    return x[rows], y[rows]


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load(seed)
    cut = int(0.8 * len(x))
    loader = DataLoader(TensorDataset(x[:cut], y[:cut]), batch_size=64, shuffle=True)
    model = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 1), nn.Flatten(0))
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(8):
        model.train()
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(x[cut:])
            val_loss = criterion(logits, y[cut:]).item()
            hits = (logits > 0) == (y[cut:] > 0)
            accuracy, recall = hits.float().mean().item(), hits[y[cut:] > 0].float().mean().item()
        print(f"epoch {epoch + 1}: val loss {val_loss:.4f}, accuracy {accuracy:.4f}, fraud found {recall:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
