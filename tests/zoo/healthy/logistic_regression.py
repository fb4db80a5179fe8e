"""Multinomial logistic regression on digits: a single linear layer, SGD, a little weight decay."""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F


def main(seed: int) -> None:
    torch.manual_seed(seed)
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=seed)
    scaler = StandardScaler()
    X_train = torch.tensor(scaler.fit_transform(X_train), dtype=torch.float32)
    X_test = torch.tensor(scaler.transform(X_test), dtype=torch.float32)
    y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)

    model = nn.Linear(64, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, weight_decay=1e-3)
    n = len(X_train)
    for epoch in range(20):
        perm = torch.randperm(n)
        for i in range(0, n, 100):
            batch = perm[i : i + 100]
            loss = F.cross_entropy(model(X_train[batch]), y_train[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if (epoch + 1) % 4 == 0:
            print(f"epoch {epoch + 1:2d}: loss {loss.item():.4f}")

    with torch.inference_mode():
        logits = model(X_test)
    print(
        f"test loss {F.cross_entropy(logits, y_test):.4f}, accuracy {(logits.argmax(1) == y_test).float().mean():.4f}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
