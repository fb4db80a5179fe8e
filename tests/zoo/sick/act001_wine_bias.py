"""Wine cultivars with a ReLU MLP in nn.Sequential, SGD.

Sick, ACT001 dead-relu: the biases of the hidden layers are initialised to −4, below what nearly all units ever receive.
Most units are zero on every example and get no gradient, so they stay so.
A competent diagnosis names the dead units (and their biases).
"""

import sys

import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from torch import nn


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_wine(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=seed, stratify=y)
    mean, std = x_train.mean(0), x_train.std(0)
    x_train, x_test = torch.Tensor((x_train - mean) / std), torch.Tensor((x_test - mean) / std)
    y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)

    model = nn.Sequential(
        nn.Linear(13, 64),
        nn.ReLU(),
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Linear(32, 3),
    )
    for module in model.modules():
        if isinstance(module, nn.Linear) and module.out_features != 3:
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
            nn.init.constant_(module.bias, -4.0)

    loss_function = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    model.train()
    for iteration in range(300):
        batch = torch.randperm(len(x_train))[:32]
        logits = model(x_train[batch])
        loss = loss_function(logits, y_train[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if iteration % 50 == 49:
            with torch.no_grad():
                test_logits = model(x_test)
                test_loss = loss_function(test_logits, y_test)
                test_acc = (test_logits.argmax(-1) == y_test).double().mean()
            print(
                f"iteration {iteration + 1} loss {loss.item():.4f} test loss {test_loss.item():.4f} acc {test_acc.item():.3f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
