"""Friedman's regression problem; the table was exported sorted by the value to be predicted.

Wrong: training goes through the rows in that order, from the smallest target to the largest, epoch after epoch. A
competent diagnosis names unshuffled batches: the targets drift from batch to batch (DAT005).
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import make_friedman1
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(8, 64)
        self.fc2 = nn.Linear(64, 32)
        self.fc3 = nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def r2(prediction: Tensor, target: Tensor) -> float:
    return (1 - F.mse_loss(prediction, target) / target.var(unbiased=False)).item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_friedman1(n_samples=1500, n_features=8, noise=0.5, random_state=seed)
    x = torch.tensor((x - 0.5) * 12**0.5, dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).unsqueeze(1)
    x_train, y_train, x_val, y_val = x[:1200], y[:1200], x[1200:], y[1200:]
    export = y_train.squeeze(1).argsort()
    loader = DataLoader(TensorDataset(x_train[export], y_train[export]), batch_size=40, shuffle=False)

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(15):
        net.train()
        for features, target in loader:
            loss = F.mse_loss(net(features), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            score = r2(net(x_val), y_val)
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1}: last batch {loss.item():.4f}, validation R2 {score:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
