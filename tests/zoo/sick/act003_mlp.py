"""Digits with five hidden layers of sigmoid units in nn.Sequential, Xavier's initialisation, SGD with momentum.

Sick, ACT003 sigmoid-hidden-layers: σ′ is at most 0.25, so five layers leave the first with a thousandth of the gradient;
the loss does not leave ln 10. A competent diagnosis names the stack of sigmoids (and ReLU as the remedy).
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


def mlp(sizes, activation):
    modules = []
    for n_in, n_out in zip(sizes[:-2], sizes[1:-1], strict=True):
        linear = nn.Linear(n_in, n_out)
        nn.init.xavier_normal_(linear.weight, gain=nn.init.calculate_gain(activation.__name__.lower()))
        modules += [linear, activation()]
    return nn.Sequential(*modules, nn.Linear(sizes[-2], sizes[-1]))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    features, target = load_digits(return_X_y=True)
    f_train, f_test, t_train, t_test = train_test_split(features, target, test_size=0.2, random_state=seed)
    scaler = StandardScaler()
    f_train = torch.tensor(scaler.fit_transform(f_train), dtype=torch.float32)
    f_test = torch.tensor(scaler.transform(f_test), dtype=torch.float32)
    t_train, t_test = torch.tensor(t_train), torch.tensor(t_test)

    model = mlp([64, 64, 64, 64, 64, 64, 10], nn.Sigmoid)
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    loader = DataLoader(TensorDataset(f_train, t_train), batch_size=64, shuffle=True)
    for epoch in range(12):
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            outputs = model(f_test)
        model.train()
        correct = (outputs.argmax(1) == t_test).sum().item()
        print(
            f"[{epoch + 1}/12] loss {loss.item():.4f} test loss {criterion(outputs, t_test).item():.4f} correct {correct}/{len(t_test)}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
