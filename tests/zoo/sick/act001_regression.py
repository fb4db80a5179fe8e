"""Friedman's second function approximated by a wide ReLU layer, written with torch.clamp, SGD with weight decay.

Sick, ACT001 dead-relu: the bias of the wide layer is drawn from N(−6, 1), while its pre-activations have unit variance;
all but a handful of units are off for every example. A competent diagnosis names the dead units.
"""

import sys

import numpy as np
import torch
from sklearn.datasets import make_friedman2
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class WideRegressor(nn.Module):
    def __init__(self, n_inputs: int, n_wide: int = 256) -> None:
        super().__init__()
        self.wide = nn.Linear(n_inputs, n_wide)
        self.narrow = nn.Linear(n_wide, 16)
        self.out = nn.Linear(16, 1)
        nn.init.normal_(self.wide.weight, std=n_inputs**-0.5)
        nn.init.normal_(self.wide.bias, mean=-6.0, std=1.0)

    def forward(self, x: Tensor) -> Tensor:
        h = self.wide(x).clamp(min=0)
        h = torch.tanh(self.narrow(h))
        return self.out(h).flatten()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_friedman2(n_samples=1600, noise=0.0, random_state=seed)
    x, y = x.astype(np.float32), y.astype(np.float32)
    train_x, valid_x, train_y, valid_y = x[:1280], x[1280:], y[:1280], y[1280:]
    x_mean, x_std, y_mean, y_std = train_x.mean(0), train_x.std(0), train_y.mean(), train_y.std()
    train = TensorDataset(torch.from_numpy((train_x - x_mean) / x_std), torch.from_numpy((train_y - y_mean) / y_std))
    valid_x = torch.from_numpy((valid_x - x_mean) / x_std)
    valid_y = torch.from_numpy((valid_y - y_mean) / y_std)

    model = WideRegressor(4)
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    loader = DataLoader(train, batch_size=64, shuffle=True)
    for epoch in range(15):
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
        if epoch % 3 == 2:
            with torch.inference_mode():
                valid_loss = criterion(model(valid_x), valid_y)
            print(f"epoch {epoch + 1}: train {loss.item():.4f} valid {valid_loss.item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
