"""Digit images with BatchNorm2d after global pooling (squeeze), SGD with momentum.

Sick, NRM001 small-batch-normalization: the normalised maps are 1 × 1 and the batches hold 4 examples (for want of
memory), so each channel is normalised over 4 values. A competent diagnosis names the layer and its four values.
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class SqueezeNet(nn.Module):
    def __init__(self, channels: int = 24) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.reduce = nn.AdaptiveMaxPool2d(1)
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        x = self.reduce(self.relu(self.conv2(x)))
        x = self.relu(self.norm(self.mix(x)))
        return self.fc(x.flatten(1))


@torch.inference_mode()
def evaluate(model: nn.Module, loader: DataLoader) -> float:
    model.eval()
    hits = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    return hits / len(loader.dataset)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    images = (images - images.mean()) / images.std()
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images))
    train = TensorDataset(images[order[:1000]], labels[order[:1000]])
    val = TensorDataset(images[order[1000:1400]], labels[order[1000:1400]])
    train_loader, val_loader = DataLoader(train, batch_size=4, shuffle=True), DataLoader(val, batch_size=200)

    model = SqueezeNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005, momentum=0.9)
    for epoch in range(3):
        model.train()
        total = 0.0
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total / len(train_loader):.3f} val acc {evaluate(model, val_loader):.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
