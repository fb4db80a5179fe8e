"""Digits with a plain MLP, SGD with momentum, batches cut from shuffled tensors.

Sick, UPD001 tiny-update: the learning rate is 1e-6, where 0.05 trains well. A step changes the weights by less than a
millionth of themselves. A competent diagnosis names the updates, far too small for the weights, and the rate.
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler
from torch import nn

LEARNING_RATE = 1e-6
BATCH = 50


def main(seed: int) -> None:
    torch.manual_seed(seed)
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(StandardScaler().fit_transform(images), dtype=torch.float32)
    y = torch.tensor(labels)
    order = torch.randperm(len(x))
    train, held_out = order[:1400], order[1400:]
    model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=0.9)
    for epoch in range(12):
        model.train()
        for batch in train[torch.randperm(len(train))].split(BATCH):
            optimizer.zero_grad()
            loss = criterion(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            output = model(x[held_out])
            val_loss = criterion(output, y[held_out]).item()
            accuracy = (output.argmax(1) == y[held_out]).float().mean().item()
        print(f"[{epoch:2d}] train {loss.item():.4f}  val {val_loss:.4f}  accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
