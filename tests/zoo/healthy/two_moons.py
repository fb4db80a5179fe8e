"""Two moons, two classes: a small tanh network trained on all points at once (full-batch Adam)."""

import sys

import torch
from sklearn.datasets import make_moons
from torch import nn


def main(seed: int) -> None:
    torch.manual_seed(seed)
    points, labels = make_moons(n_samples=500, noise=0.2, random_state=seed)
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    X, y = torch.tensor(points, dtype=torch.float32), torch.tensor(labels)
    X_train, y_train, X_test, y_test = X[:400], y[:400], X[400:], y[400:]

    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=2e-3)

    for epoch in range(300):
        logits = model(X_train)
        loss = loss_fn(logits, y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if epoch % 50 == 49:
            with torch.inference_mode():
                test_logits = model(X_test)
                test_loss = loss_fn(test_logits, y_test)
                test_acc = (test_logits.argmax(dim=1) == y_test).float().mean()
            print(f"Epoch {epoch + 1}: loss {loss:.4f} | test loss {test_loss:.4f} | test acc {test_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
