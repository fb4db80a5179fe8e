"""Digits with a tanh MLP of five hidden layers, SGD with momentum, batches from a DataLoader.

Sick, INI004 late-start: the weights are drawn with a standard deviation of 0.03, a third of what the layers need. The
loss lies flat at ln 10 for a long time and then falls suddenly. A competent diagnosis names the late start and too
small an initialisation as its cause.
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def init_(model, std):
    for m in model.modules():
        if isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, mean=0.0, std=std)
            nn.init.zeros_(m.bias)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x_train, x_val, y_train, y_val = train_test_split(digits.data, digits.target, test_size=360, random_state=seed)
    mean, std = x_train.mean(0), x_train.std(0) + 1e-8
    x_train = torch.tensor(((x_train - mean) / std).clip(-3, 3)).float()
    x_val = torch.tensor(((x_val - mean) / std).clip(-3, 3)).float()
    y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True, drop_last=True)

    layers = [nn.Linear(64, 64), nn.Tanh()]
    for _ in range(4):
        layers += [nn.Linear(64, 64), nn.Tanh()]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    init_(model, std=0.03)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    for epoch in range(25):
        for x, y in loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
        model.train()
        accuracy = (logits.argmax(1) == y_val).float().mean()
        print(f"epoch {epoch + 1:2d} loss {loss.item():.3f} val {criterion(logits, y_val):.3f} acc {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
