"""MobileNet-like classifier: inverted residuals with depthwise convolutions and linear bottlenecks, OneCycleLR."""

import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR


def conv_bn(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(c_out),
    ]
    if act:
        layers.append(nn.ReLU6(inplace=True))
    return nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """Expand, filter depthwise, project back without an activation."""

    def __init__(self, c_in: int, c_out: int, stride: int, expand: int = 2) -> None:
        super().__init__()
        hidden = c_in * expand
        self.use_skip = stride == 1 and c_in == c_out
        self.body = nn.Sequential(
            conv_bn(c_in, hidden, 1),
            conv_bn(hidden, hidden, 3, stride, groups=hidden),
            conv_bn(hidden, c_out, 1, act=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.use_skip else self.body(x)


class TinyMobileNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_bn(1, 10, 3),
            InvertedResidual(10, 10, 1),
            InvertedResidual(10, 20, 2),
            InvertedResidual(20, 20, 1),
            conv_bn(20, 48, 1),
        )
        self.classifier = nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean(dim=(2, 3)))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    digits = load_digits()
    order = rng.permutation(len(digits.target))
    images, labels = digits.images[order], digits.target[order]
    images = (images - images[:1472].mean()) / images[:1472].std()
    images = torch.tensor(images[:, None], dtype=torch.float32)
    labels = torch.tensor(labels)

    model = TinyMobileNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    scheduler = OneCycleLR(optimizer, max_lr=0.05, epochs=7, steps_per_epoch=23)
    for epoch in range(7):
        model.train()
        for rows in torch.from_numpy(rng.permutation(1472)).split(64):
            optimizer.zero_grad()
            loss = criterion(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            scheduler.step()
        model.eval()
        with torch.no_grad():
            correct = (model(images[1472:]).argmax(1) == labels[1472:]).sum().item()
        print(f"epoch {epoch + 1}  last loss {loss.item():.4f}  val acc {correct / (len(labels) - 1472):.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
