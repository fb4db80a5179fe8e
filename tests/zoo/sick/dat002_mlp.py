"""A two-layer perceptron on 8-bit grey images of digits.

Wrong: the pixels are fed as they come from the image files, 0 to 255 (standard deviation about 96). A competent
diagnosis names unscaled inputs (DAT002).
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn


def load_images(seed):
    digits = load_digits()
    pixels = np.round(digits.data * 255 / 16).astype(np.uint8)
    return train_test_split(pixels, digits.target, test_size=360, random_state=seed, stratify=digits.target)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, x_test, y_train, y_test = (torch.from_numpy(part) for part in load_images(seed))
    x_train, x_test = x_train.float(), x_test.float()

    model = nn.Sequential(
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    batch = 32
    for epoch in range(10):
        model.train()
        order = torch.randperm(len(x_train))
        running = 0.0
        for start in range(0, len(order), batch):
            idx = order[start : start + batch]
            loss = criterion(model(x_train[idx]), y_train[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running += loss.item() * len(idx)
        model.eval()
        with torch.no_grad():
            test_acc = (model(x_test).argmax(1) == y_test).float().mean().item()
        print(f"[{epoch + 1:2d}/10] loss={running / len(order):.3f} test_acc={test_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
