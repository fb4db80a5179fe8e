"""Multi-label classification (several labels may hold at once): five logits, binary cross-entropy on each."""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler
from torch import nn


class TagNet(nn.Module):
    def __init__(self, features: int, tags: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(features, 64)
        self.fc2 = nn.Linear(64, tags)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(F.relu(self.fc1(x)))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    X, Y = make_multilabel_classification(
        n_samples=2000, n_features=30, n_classes=5, n_labels=2, length=80, random_state=seed
    )
    X = torch.tensor(StandardScaler().fit_transform(X), dtype=torch.float32)
    Y = torch.tensor(Y, dtype=torch.float32)
    X_train, Y_train, X_val, Y_val = X[:1600], Y[:1600], X[1600:], Y[1600:]

    model = TagNet(30, 5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    for epoch in range(7):
        model.train()
        for idx in torch.randperm(len(X_train)).split(64):
            loss = F.binary_cross_entropy_with_logits(model(X_train[idx]), Y_train[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(X_val)
            val_loss = F.binary_cross_entropy_with_logits(logits, Y_val).item()
        f1 = f1_score(Y_val.numpy(), (logits > 0).numpy(), average="micro")
        print(f"epoch {epoch + 1}: train loss {loss.item():.4f} val loss {val_loss:.4f} micro F1 {f1:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
