"""A small convolutional network reads 8x8 digits.

Wrong: the digit is taken from a two-digit code by integer division where the remainder was meant, and is 0 for every
image. A competent diagnosis names constant targets: only one of ten classes occurs (DAT004).
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset


class DigitNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 3, padding=1)
        self.conv2 = nn.Conv2d(10, 20, 3, padding=1)
        self.fc1 = nn.Linear(80, 40)
        self.fc2 = nn.Linear(40, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = F.relu(self.fc1(x.flatten(1)))
        return F.log_softmax(self.fc2(x), dim=1)


def test(model, loader):
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for data, target in loader:
            output = model(data)
            loss += F.nll_loss(output, target, reduction="sum").item()
            correct += output.argmax(dim=1).eq(target).sum().item()
    return loss / len(loader.dataset), correct / len(loader.dataset)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    x = (x - 4.88) / 6.02
    codes = torch.tensor(digits.target)
    y = codes // 10
    split = torch.randperm(len(x))
    train_loader = DataLoader(TensorDataset(x[split[:1400]], y[split[:1400]]), batch_size=64, shuffle=True)
    test_loader = DataLoader(TensorDataset(x[split[1400:]], y[split[1400:]]), batch_size=200)

    model = DigitNet()
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(1, 9):
        model.train()
        for data, target in train_loader:
            optimizer.zero_grad()
            loss = F.nll_loss(model(data), target)
            loss.backward()
            optimizer.step()
        test_loss, accuracy = test(model, test_loader)
        print(f"Train Epoch: {epoch} Loss: {loss.item():.6f}  Test: average loss {test_loss:.4f}, {accuracy:.2%}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
