"""Digits with a feature network and a classifier head, SGD with momentum.

Sick, UPD003 parameter-not-optimized: the optimizer was given the head's parameters only (left over from a fine-tuning
script), but the features are random and not frozen. A competent diagnosis names the feature layers that get gradients
and are in no optimizer.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    data, target = load_digits(return_X_y=True)
    x = torch.tensor(StandardScaler().fit_transform(data), dtype=torch.float32)
    y = torch.tensor(target)
    order = torch.randperm(len(x))
    train, val = order[:1400], order[1400:]
    model = Classifier()
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(10):
        model.train()
        for batch in train[torch.randperm(len(train))].split(40):
            model.zero_grad()
            loss = F.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            accuracy = (model(x[val]).argmax(1) == y[val]).float().mean().item()
        print(f"epoch {epoch}: loss {loss.item():.4f}, validation accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
