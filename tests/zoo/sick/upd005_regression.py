"""Diabetes progression, tanh network, SGD with a separate group for the biases.

Sick, UPD005 decay-dominates: the weights' group decays with 5, so that they lose five per cent of their size at every
step; the prediction ends at the mean. A competent diagnosis names the weight decay.
"""

import sys

import torch
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler
from torch import nn


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_diabetes(return_X_y=True, scaled=False)
    order = torch.randperm(len(x)).numpy()
    x, y = x[order], y[order]
    x = torch.tensor(StandardScaler().fit(x[:340]).transform(x)).float()
    y = torch.tensor((y - y[:340].mean()) / y[:340].std()).float().unsqueeze(1)
    x_train, y_train, x_val, y_val = x[:340], y[:340], x[340:], y[340:]

    model = nn.Sequential(nn.Linear(10, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    optimizer = torch.optim.SGD([{"params": weights, "weight_decay": 5.0}, {"params": biases}], lr=0.01)
    criterion = nn.MSELoss()
    for step in range(1, 301):
        index = torch.randint(340, (34,))
        loss = criterion(model(x_train[index]), y_train[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 60 == 0:
            with torch.no_grad():
                val = criterion(model(x_val), y_val).item()
            print(f"{step}: train {loss.item():.4f} val {val:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
