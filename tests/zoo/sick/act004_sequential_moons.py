"""Two interleaving half moons, nn.Sequential, binary cross-entropy on one logit, Adam.

Sick, ACT004 missing-nonlinearity: three linear layers follow each other with only dropout between them, so the network
is a linear classifier and stays at about 86 % where 99 % are possible. A competent diagnosis names the linear layers in
a row.
"""

import sys

import torch
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_moons(n_samples=2000, noise=0.12, random_state=seed)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=seed)
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    x_train = torch.tensor((x_train - mean) / std, dtype=torch.float32)
    x_test = torch.tensor((x_test - mean) / std, dtype=torch.float32)
    y_train = torch.tensor(y_train, dtype=torch.float32).unsqueeze(1)
    y_test = torch.tensor(y_test, dtype=torch.float32).unsqueeze(1)

    model = nn.Sequential(
        nn.Linear(2, 64),
        nn.Dropout(0.1),
        nn.Linear(64, 64),
        nn.Dropout(0.1),
        nn.Linear(64, 1),
    )
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=50, shuffle=True)
    for epoch in range(14):
        model.train()
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(x_test)
            test_loss = criterion(logits, y_test)
            acc = ((logits > 0) == (y_test > 0.5)).float().mean()
        print(
            f"epoch {epoch + 1:2d} | loss {loss.item():.4f} | test loss {test_loss.item():.4f} | test acc {acc.item():.3f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
