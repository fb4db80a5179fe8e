"""Wine cultivars with a class of four hidden layers and torch.sigmoid, Xavier initialisation, SGD.

Sick, ACT003 sigmoid-hidden-layers: four sigmoids in a row; the gradient shrinks from layer to layer and the loss stays
at ln 3. A competent diagnosis names the stack of sigmoids.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_wine
from torch import Tensor, nn


class DeepWine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.h1 = nn.Linear(13, 48)
        self.h2 = nn.Linear(48, 48)
        self.h3 = nn.Linear(48, 48)
        self.h4 = nn.Linear(48, 48)
        self.out = nn.Linear(48, 3)
        for module in self.children():
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sigmoid(self.h1(x))
        x = torch.sigmoid(self.h2(x))
        x = torch.sigmoid(self.h3(x))
        x = torch.sigmoid(self.h4(x))
        return self.out(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_wine(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.long)
    perm = torch.randperm(len(x))
    x, y = x[perm], y[perm]
    x = (x - x[:130].mean(dim=0)) / x[:130].std(dim=0)

    model = DeepWine()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03)
    for epoch in range(60):
        order = torch.randperm(130)
        for start in range(0, 130, 26):
            idx = order[start : start + 26]
            loss = F.cross_entropy(model(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 10 == 9:
            with torch.no_grad():
                val_logits = model(x[130:])
                val_loss = F.cross_entropy(val_logits, y[130:])
            accuracy = (val_logits.argmax(1) == y[130:]).float().mean()
            print(f"epoch {epoch + 1} train {loss.item():.4f} val {val_loss.item():.4f} acc {accuracy.item():.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
