"""Digit images with a stack of six 3 × 3 convolutions, global average pooling and a linear classifier.

Sick, INI002 shrinking-activations: all convolutions start with N(0, 0.01²), far below what their fan-in needs; every
layer multiplies the signal by about a tenth. A competent diagnosis names the shrinking activations (initial weights
too small); the vanishing gradients follow from it.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class StackedConvs(nn.Module):
    def __init__(self, channels: int = 16):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.convs = nn.ModuleList([nn.Conv2d(channels, channels, 3, padding=1) for _ in range(5)])
        self.classifier = nn.Linear(channels * 16, 10)

    def forward(self, x):
        x = F.relu(self.stem(x))
        for conv in self.convs:
            x = F.relu(conv(x))
        return self.classifier(torch.flatten(x, 1))


def weights_init(m):
    if isinstance(m, nn.Conv2d):
        m.weight.data.normal_(0.0, 0.01)
        m.bias.data.fill_(0)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    images, targets = load_digits(return_X_y=True)
    images = (torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) - 4.88) / 6.02
    targets = torch.tensor(targets, dtype=torch.long)
    split = torch.randperm(len(images))
    train = TensorDataset(images[split[:1440]], targets[split[:1440]])
    valid = TensorDataset(images[split[1440:]], targets[split[1440:]])
    train_loader = DataLoader(train, batch_size=48, shuffle=True)
    valid_loader = DataLoader(valid, batch_size=357)

    net = StackedConvs()
    net.apply(weights_init)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    for epoch in range(1, 9):
        net.train()
        for data, target in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(data), target)
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            for data, target in valid_loader:
                output = net(data)
                print(
                    f"Train epoch {epoch}: loss {loss.item():.4f} | valid loss {F.cross_entropy(output, target).item():.4f}"
                    f" accuracy {output.argmax(1).eq(target).float().mean().item():.3f}"
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
