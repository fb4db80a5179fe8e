"""Disease progression after a year (diabetes set) by a small regularised network.

Wrong: the validation loader is built on the training rows (a copy-and-paste slip). A competent diagnosis names an
overlap of training and validation (DAT009): all of the validation examples.
"""

import sys

import torch
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def make_loaders(seed, batch_size=32):
    x, y = load_diabetes(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=seed)
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    sets = []
    for rows, values in ((x_train, y_train), (x_val, y_val)):
        rows = torch.tensor((rows - mean) / std, dtype=torch.float32)
        values = torch.tensor((values - y_train.mean()) / y_train.std(), dtype=torch.float32)
        sets.append(TensorDataset(rows, values.unsqueeze(1)))
    train_loader = DataLoader(sets[0], batch_size=batch_size, shuffle=True)
    val_loader = DataLoader(sets[0], batch_size=batch_size)
    return train_loader, val_loader


def validation_loss(model, loader, criterion):
    model.eval()
    with torch.inference_mode():
        losses = [criterion(model(x), y).item() * len(x) for x, y in loader]
    return sum(losses) / len(loader.dataset)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    train_loader, val_loader = make_loaders(seed)
    model = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 1))
    criterion = nn.MSELoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    for epoch in range(25):
        model.train()
        running = 0.0
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            running += loss.item()
        val_loss = validation_loss(model, val_loader, criterion)
        if (epoch + 1) % 5 == 0:
            print(f"epoch {epoch + 1}: train {running / len(train_loader):.4f}, validation {val_loss:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
