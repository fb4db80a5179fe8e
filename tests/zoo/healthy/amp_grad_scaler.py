"""Mixed precision with float16 and torch.amp.GradScaler on the CPU, gradients unscaled before they are clipped."""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import make_classification
from torch import nn


class Tabular(nn.Module):
    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(features, 64)
        self.fc2 = nn.Linear(64, 32)
        self.fc3 = nn.Linear(32, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    X, y = make_classification(
        n_samples=1500, n_features=16, n_informative=10, n_classes=3, class_sep=1.5, flip_y=0.02, random_state=seed
    )
    X = torch.tensor((X - X.mean(axis=0)) / X.std(axis=0), dtype=torch.float32)
    y = torch.tensor(y)
    X_train, y_train, X_val, y_val = X[:1200], y[:1200], X[1200:], y[1200:]

    model = Tabular(16, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14)
    for epoch in range(10):
        model.train()
        for idx in torch.randperm(1200).split(50):
            optimizer.zero_grad()
            with torch.autocast(device_type="cpu", dtype=torch.float16):
                loss = F.cross_entropy(model(X_train[idx]), y_train[idx])
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            scaler.step(optimizer)
            scaler.update()
        model.eval()
        with torch.no_grad(), torch.autocast(device_type="cpu", dtype=torch.float16):
            logits = model(X_val)
        val_loss = F.cross_entropy(logits.float(), y_val).item()
        acc = (logits.argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.4f} val {val_loss:.4f} acc {acc:.4f} scale {scaler.get_scale():.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
