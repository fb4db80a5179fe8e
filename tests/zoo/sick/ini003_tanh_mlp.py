"""Digits with a four-layer tanh MLP whose weights are drawn from N(0, 1).

Sick, INI003 growing-activations: with 64 to 128 inputs a unit's pre-activation has a standard deviation of 8 to 11, so
nearly every tanh sits at −1 or 1 from the first step on and lets hardly any gradient through.
A competent diagnosis names the initialisation that saturates the layers from the start (saturated activations).
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


def make_model() -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(64, 128),
        nn.Tanh(),
        nn.Linear(128, 128),
        nn.Tanh(),
        nn.Linear(128, 128),
        nn.Tanh(),
        nn.Linear(128, 128),
        nn.Tanh(),
        nn.Linear(128, 10),
    )
    for layer in model[:-1]:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0.0, 1.0)
            nn.init.zeros_(layer.bias)
    return model


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    n_train = 1350
    order = torch.randperm(len(x)).numpy()
    x, y = x[order], y[order]
    scaler = StandardScaler().fit(x[:n_train])
    x = torch.tensor(scaler.transform(x), dtype=torch.float32)
    y = torch.tensor(y)
    train_loader = DataLoader(TensorDataset(x[:n_train], y[:n_train]), batch_size=64, shuffle=True)

    model = make_model()
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for epoch in range(12):
        model.train()
        epoch_loss = 0.0
        for inputs, labels in train_loader:
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            epoch_loss += loss.item()
        model.eval()
        with torch.inference_mode():
            logits = model(x[n_train:])
            val_acc = (logits.argmax(1) == y[n_train:]).float().mean().item()
            val_loss = criterion(logits, y[n_train:]).item()
        print(
            f"epoch {epoch:02d} loss {epoch_loss / len(train_loader):.3f} val_loss {val_loss:.3f} val_acc {val_acc:.3f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
