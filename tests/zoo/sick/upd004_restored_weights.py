"""Breast cancer with an MLP and "keep the best weights", SGD with momentum.

Sick, UPD004 no-update: the best weights are put back after every step instead of after the training, and since they
are recorded only at the end of an epoch, no step ever lasts. A competent diagnosis says that the weights are the same
at every step.
"""

import copy
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn


class MLP(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.fc1 = nn.Linear(n_features, 32)
        self.fc2 = nn.Linear(32, 16)
        self.fc3 = nn.Linear(16, 2)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)


@torch.no_grad()
def validation_loss(model, x, y):
    return F.cross_entropy(model(x), y).item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, random_state=seed)
    scaler = StandardScaler()
    x_train = torch.tensor(scaler.fit_transform(x_train)).float()
    x_val = torch.tensor(scaler.transform(x_val)).float()
    y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)

    model = MLP(30)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    best_loss, best_state = float("inf"), copy.deepcopy(model.state_dict())
    for epoch in range(15):
        for index in torch.randperm(len(x_train)).split(32):
            loss = F.cross_entropy(model(x_train[index]), y_train[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            model.load_state_dict(best_state)
        val_loss = validation_loss(model, x_val, y_val)
        if val_loss < best_loss:
            best_loss, best_state = val_loss, copy.deepcopy(model.state_dict())
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1}: loss {loss.item():.4f} val {val_loss:.4f} best {best_loss:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
