"""Digit images, a third of them labelled by a careless annotator; a CNN trained for many epochs with Adam.

Sick, GEN001 overfitting: no regularisation, few images and far too many epochs: the network learns the wrong labels by
heart, while the validation loss has been rising since the first epochs. A competent diagnosis names overfitting.
"""

import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


class DigitCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(12, 24, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 10))

    def forward(self, x):
        return self.classifier(self.features(x))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
    images = (images - images.mean()) / images.std()
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images))
    images, labels = images[order], labels[order]
    careless = torch.rand(len(labels)) < 0.33
    labels = torch.where(careless, torch.randint(10, labels.shape), labels)
    train = DataLoader(TensorDataset(images[:320], labels[:320]), batch_size=32, shuffle=True)
    valid = DataLoader(TensorDataset(images[320:720], labels[320:720]), batch_size=200)

    model = DigitCNN()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for epoch in range(30):
        model.train()
        for x, y in train:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        model.eval()
        total, correct = 0.0, 0
        with torch.no_grad():
            for x, y in valid:
                logits = model(x)
                total += criterion(logits, y).item() * len(y)
                correct += (logits.argmax(1) == y).sum().item()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: train {loss.item():.3f}  valid {total / 400:.3f}  acc {correct / 400:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
