"""Digit images with a convolutional network and Adam; the initial model is kept for comparison.

Sick, UPD004 no-update: the optimizer was built from the parameters of the copy that was to be kept, while the loop
trains the original. Every step() finds parameters without gradients and changes nothing. A competent diagnosis says
that the weights in training never change (their parameters are in no optimizer, UPD003, is right as well).
"""

import copy
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None]
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images))
    images = ((images - images.mean()) / images.std())[order]
    labels = labels[order]
    train_loader = DataLoader(TensorDataset(images[:1400], labels[:1400]), batch_size=64, shuffle=True)

    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    initial = copy.deepcopy(model)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(initial.parameters(), lr=3e-3)
    for epoch in range(8):
        model.train()
        for x, y in train_loader:
            model.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            before, after = initial(images[1400:]), model(images[1400:])
        target = labels[1400:]
        print(
            f"epoch {epoch}: loss {loss.item():.4f}, val acc {(after.argmax(1) == target).float().mean().item():.3f} "
            f"(untrained {(before.argmax(1) == target).float().mean().item():.3f})"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
