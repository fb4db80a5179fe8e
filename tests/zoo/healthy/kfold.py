"""Five-fold cross-validation on wine: a new model and a new optimizer for every fold."""

import sys

import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from torch import nn


class WineNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(13, 24)
        self.fc2 = nn.Linear(24, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(torch.relu(self.fc1(x)))


def run_fold(x_train, y_train, x_val, y_val, epochs: int = 12) -> tuple[float, float]:
    scaler = StandardScaler().fit(x_train)
    x_train = torch.tensor(scaler.transform(x_train), dtype=torch.float32)
    x_val = torch.tensor(scaler.transform(x_val), dtype=torch.float32)
    y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)
    model = WineNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=1e-3)
    for _ in range(epochs):
        model.train()
        for batch in torch.randperm(len(x_train)).split(16):
            optimizer.zero_grad()
            loss = criterion(model(x_train[batch]), y_train[batch])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            output = model(x_val)
            val_loss = criterion(output, y_val).item()
            accuracy = (output.argmax(1) == y_val).float().mean().item()
    return val_loss, accuracy


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_wine(return_X_y=True)
    scores = []
    splitter = StratifiedKFold(n_splits=5, shuffle=True, random_state=seed)
    for fold, (train, val) in enumerate(splitter.split(x, y)):
        val_loss, accuracy = run_fold(x[train], y[train], x[val], y[val])
        print(f"fold {fold}: validation loss {val_loss:.4f}, accuracy {accuracy:.4f}")
        scores.append(accuracy)
    print(f"accuracy {np.mean(scores):.4f} +- {np.std(scores):.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
