"""Transfer learning: a backbone learns digits 0 to 5, is frozen, and a new head learns 6 to 9 on its features."""

import sys

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Backbone(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 24, 3, padding=1),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )


class Classifier(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.head = nn.Linear(96, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))


def loaders(x: Tensor, y: Tensor) -> tuple[DataLoader, DataLoader]:
    order = torch.randperm(len(x))
    cut = int(0.8 * len(x))
    train = TensorDataset(x[order[:cut]], y[order[:cut]])
    val = TensorDataset(x[order[cut:]], y[order[cut:]])
    return DataLoader(train, batch_size=32, shuffle=True), DataLoader(val, batch_size=256)


def accuracy(model: nn.Module, loader: DataLoader) -> float:
    model.eval()
    correct = 0
    with torch.no_grad():
        for x, y in loader:
            correct += (model(x).argmax(1) == y).sum().item()
    return correct / len(loader.dataset)


def pretrain(x: Tensor, y: Tensor) -> dict[str, Tensor]:
    train_loader, val_loader = loaders(x, y)
    model = Classifier(6)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(4):
        model.train()
        for inputs, targets in train_loader:
            loss = nn.functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"pretraining {epoch}: loss {loss.item():.4f}, accuracy {accuracy(model, val_loader):.4f}")
    return {name: tensor.clone() for name, tensor in model.backbone.state_dict().items()}


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    x, y = (x - x.mean()) / x.std(), torch.tensor(digits.target)
    weights = pretrain(x[y < 6], y[y < 6])

    train_loader, val_loader = loaders(x[y >= 6], y[y >= 6] - 6)
    model = Classifier(4)
    model.backbone.load_state_dict(weights)
    model.backbone.requires_grad_(False)
    optimizer = torch.optim.Adam(model.head.parameters(), lr=5e-3)
    for epoch in range(8):
        model.train()
        model.backbone.eval()  # keep the statistics of the pretraining
        for inputs, targets in train_loader:
            loss = nn.functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"fine-tuning {epoch}: loss {loss.item():.4f}, accuracy {accuracy(model, val_loader):.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
