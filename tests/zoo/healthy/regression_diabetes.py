"""Diabetes progression from ten standardised features: a small network, standardised target, mean squared error."""

import sys

import torch
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def to_tensor(array):
    return torch.tensor(array, dtype=torch.float32)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    X, y = load_diabetes(return_X_y=True, scaled=False)
    X_train, X_val, y_train, y_val = train_test_split(X, y.reshape(-1, 1), test_size=0.25, random_state=seed)
    x_scaler, y_scaler = StandardScaler().fit(X_train), StandardScaler().fit(y_train)
    train = TensorDataset(to_tensor(x_scaler.transform(X_train)), to_tensor(y_scaler.transform(y_train)))
    val_x, val_y = to_tensor(x_scaler.transform(X_val)), to_tensor(y_scaler.transform(y_val))

    model = nn.Sequential(nn.Linear(10, 12), nn.ReLU(), nn.Linear(12, 1))
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5, weight_decay=1e-2)
    loader = DataLoader(train, batch_size=32, shuffle=True)
    for epoch in range(17):
        model.train()
        losses = []
        for features, target in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(features), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            val_loss = loss_fn(model(val_x), val_y).item()
        if epoch % 4 == 0:
            print(f"epoch {epoch:2d}: train MSE {sum(losses) / len(losses):.4f}, validation MSE {val_loss:.4f}")
    print(f"R2 on validation: {1 - val_loss / val_y.var(unbiased=False).item():.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
