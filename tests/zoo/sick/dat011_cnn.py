"""Convolutional digit classifier with preprocessing functions for training and validation images.

Wrong: the validation images are divided by their maximum twice (once when read, once more in the preprocessing), so
they are nearly black to the network. A competent diagnosis names a shift between the splits' inputs (DAT011).
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset

MEAN, STD = 0.305, 0.376


class Images(Dataset):
    def __init__(self, images, labels, scale=1.0):
        self.images = images.astype(np.float32) * scale
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        image = torch.from_numpy(self.images[index] / 16.0)
        return (image.unsqueeze(0) - MEAN) / STD, int(self.labels[index])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.drop = nn.Dropout(0.2)
        self.fc = nn.Linear(32 * 4, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(self.drop(torch.flatten(x, 1)))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    train, val = order[:1400], order[1400:]
    train_loader = DataLoader(Images(digits.images[train], digits.target[train]), batch_size=50, shuffle=True)
    val_loader = DataLoader(Images(digits.images[val], digits.target[val], scale=1 / 16), batch_size=100)

    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(6):
        model.train()
        for data, target in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(data), target)
            loss.backward()
            optimizer.step()
        model.eval()
        val_loss, correct = 0.0, 0
        with torch.no_grad():
            for data, target in val_loader:
                output = model(data)
                val_loss += F.cross_entropy(output, target, reduction="sum").item() / len(val)
                correct += output.argmax(dim=1).eq(target).sum().item()
        val_acc = correct / len(val)
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}; validation loss {val_loss:.4f}, accuracy {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
