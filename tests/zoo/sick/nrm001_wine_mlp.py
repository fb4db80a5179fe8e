"""Wine cultivars with an MLP and BatchNorm1d, SGD.

Sick, NRM001 small-batch-normalization: the batch size is 2. Normalising over two values makes every unit −1 or 1
whatever the example; training sees little but signs, and evaluation with the running statistics sees something else.
A competent diagnosis names the batch normalisation over two values.
"""

import sys

import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_wine(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=48, stratify=y, random_state=seed)
    scaler = StandardScaler().fit(x_train)
    x_train, x_val = torch.Tensor(scaler.transform(x_train)), torch.Tensor(scaler.transform(x_val))
    y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=2, shuffle=True, drop_last=True)

    model = nn.Sequential(
        nn.Linear(13, 32, bias=False),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 16, bias=False),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Linear(16, 3),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for epoch in range(10):
        model.train()
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
            total += loss.item()
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
        acc = (logits.argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch}: loss {total / len(loader):.4f} val {criterion(logits, y_val).item():.4f} acc {acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
