"""Training that saves a checkpoint to a temporary file half-way, builds everything anew and goes on from the file."""

import sys
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3)
        self.bn = nn.BatchNorm2d(16)
        self.fc = nn.Linear(16 * 3 * 3, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.bn(self.conv(x))), 2)
        return self.fc(torch.flatten(x, 1))


def build() -> tuple[Net, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-3)
    return model, optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.85)


def train(model, optimizer, scheduler, data, epochs) -> None:
    x_train, y_train, x_val, y_val = data
    for epoch in epochs:
        model.train()
        for batch in torch.randperm(len(x_train)).split(60):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x_train[batch]), y_train[batch])
            loss.backward()
            optimizer.step()
        scheduler.step()
        model.eval()
        with torch.no_grad():
            output = model(x_val)
        val_loss = F.cross_entropy(output, y_val).item()
        accuracy = output.argmax(1).eq(y_val).float().mean().item()
        print(f"epoch {epoch}: train {loss.item():.4f} val {val_loss:.4f} acc {accuracy:.4f}")


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x, y = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1), torch.tensor(digits.target)
    order = torch.randperm(len(x))
    x, y = x[order], y[order]
    x = (x - x[:1440].mean()) / x[:1440].std()
    data = x[:1440], y[:1440], x[1440:], y[1440:]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        model, optimizer, scheduler = build()
        train(model, optimizer, scheduler, data, range(4))
        torch.save(
            {
                "epoch": 4,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
            },
            path,
        )
        del model, optimizer, scheduler

        model, optimizer, scheduler = build()
        checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])
    print(f"resumed at epoch {checkpoint['epoch']}")
    train(model, optimizer, scheduler, data, range(checkpoint["epoch"], 8))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
