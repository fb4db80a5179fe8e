"""Digit images with eight tanh convolutions, SGD with momentum.

Sick, GRD001 vanishing-gradient: biases are drawn from N(0, 1) like the weights should have been, while the weights have
half the scale they need. The biases keep the activations at a healthy size, but the gradient loses two thirds in each
layer, and what depends on the image with it. A competent diagnosis names the vanishing gradient.
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn


def make_net(channels: int = 12, depth: int = 8) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(depth):
        conv = nn.Conv2d(channels if i else 1, channels, 3, stride=2 if i == 0 else 1, padding=1)
        nn.init.xavier_normal_(conv.weight, gain=0.5)
        nn.init.normal_(conv.bias)
        layers += [conv, nn.Tanh()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * 16, 10))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x_train, x_val, y_train, y_val = train_test_split(
        digits.images[:, None], digits.target, train_size=1400, stratify=digits.target, random_state=seed
    )
    mean, std = x_train.mean(), x_train.std()
    x_train, x_val = torch.Tensor((x_train - mean) / std), torch.Tensor((x_val - mean) / std)
    y_train, y_val = torch.LongTensor(y_train), torch.LongTensor(y_val)

    net = make_net()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(6):
        order = torch.randperm(1400)
        total = 0.0
        for i in range(28):
            index = order[50 * i : 50 * (i + 1)]
            optimizer.zero_grad()
            loss = criterion(net(x_train[index]), y_train[index])
            loss.backward()
            optimizer.step()
            total += loss.item()
        with torch.no_grad():
            output = net(x_val)
        print(
            f"epoch {epoch}: train loss {total / 28:.4f}, val loss {criterion(output, y_val).item():.4f}, "
            f"val acc {(output.argmax(1) == y_val).float().mean().item():.4f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
