"""Pre-activation residual network with group norm whose blocks start as the identity (last gain zero), AdamW."""

import sys

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class PreActBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gn1 = nn.GroupNorm(4, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.gn2 = nn.GroupNorm(4, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.gain = nn.Parameter(torch.zeros(1))
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(self.act(self.gn1(x)))
        h = self.conv2(self.act(self.gn2(h)))
        return x + self.gain * h


def build(width: int = 16) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1, stride=2),
        PreActBlock(width),
        PreActBlock(width),
        PreActBlock(width),
        nn.GroupNorm(4, width),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(width * 16, 10),
    )


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    x, y = (x - x.mean()) / x.std(), torch.tensor(digits.target)
    perm = torch.randperm(len(x))
    train_loader = DataLoader(TensorDataset(x[perm[:1408]], y[perm[:1408]]), batch_size=64, shuffle=True)
    test_loader = DataLoader(TensorDataset(x[perm[1408:]], y[perm[1408:]]), batch_size=128)

    model = build()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    for epoch in range(7):
        model.train()
        for inputs, targets in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            optimizer.step()
        model.eval()
        correct = 0
        with torch.no_grad():
            for inputs, targets in test_loader:
                correct += (model(inputs).argmax(1) == targets).sum().item()
        print(f"epoch {epoch}: loss {loss.item():.4f}, test accuracy {correct / len(test_loader.dataset):.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
