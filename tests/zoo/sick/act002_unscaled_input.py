"""Handwritten digits as 8-bit grey values (0 to 255) into a tanh network.

Sick, ACT002 saturated-activation: the grey values go into the network as they are, so the first tanh layer receives
values in the hundreds and answers ±1 on practically every example; its weights get no gradient and stay random.
A competent diagnosis names the saturated first layer; that the input is neither centred nor scaled is its cause and
counts as well.
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn


class TanhNet(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.first = nn.Linear(64, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.logits = nn.Linear(hidden, 10)
        for layer in (self.first, self.second):
            nn.init.xavier_uniform_(layer.weight, gain=nn.init.calculate_gain("tanh"))

    def forward(self, pixels):
        h = torch.tanh(self.first(pixels))
        h = torch.tanh(self.second(h))
        return self.logits(h)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    pixels, labels = load_digits(return_X_y=True)
    pixels, labels = torch.tensor(pixels * 255 / 16).round().float(), torch.tensor(labels)
    order = torch.randperm(len(pixels))
    train, val = order[:1400], order[1400:]

    net = TanhNet()
    loss_fn = nn.CrossEntropyLoss()
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    step = 0
    for _ in range(10):
        for batch in train[torch.randperm(len(train))].split(50):
            loss = loss_fn(net(pixels[batch]), labels[batch])
            opt.zero_grad()
            loss.backward()
            opt.step()
            step += 1
        net.eval()
        with torch.no_grad():
            output = net(pixels[val])
        net.train()
        hit_rate = (output.argmax(1) == labels[val]).float().mean()
        print(f"step {step}: loss {loss.item():.3f} val {loss_fn(output, labels[val]).item():.3f} ({hit_rate:.3f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
