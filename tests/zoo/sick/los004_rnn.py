"""A plain recurrent network reads digit images row by row.

Wrong: Adam's learning rate is 0.03 (0.003 would do). The loss falls within a few dozen steps and then stays flat at a
high level. A competent diagnosis names an early plateau: learning rate too high (LOS004).
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class RowReader(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.rnn = nn.RNN(8, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 10)

    def forward(self, image):
        states, _ = self.rnn(image)
        return self.head(states[:, -1])


def evaluate(model, loader, criterion):
    model.eval()
    loss, hits, count = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in loader:
            logits = model(images)
            loss += criterion(logits, labels).item() * len(labels)
            hits += (logits.argmax(1) == labels).sum().item()
            count += len(labels)
    return loss / count, hits / count


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor((digits.images - digits.images.mean()) / digits.images.std(), dtype=torch.float32)
    train_set, val_set = random_split(TensorDataset(images, torch.tensor(digits.target)), [1437, 360])
    train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=120)
    model = RowReader()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    history = []
    for epoch in range(8):
        model.train()
        for images, labels in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        val_loss, val_acc = evaluate(model, val_loader, criterion)
        mean = sum(history[-len(train_loader) :]) / len(train_loader)
        print(f"epoch {epoch + 1}: train {mean:.3f}, validation {val_loss:.3f}, accuracy {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
