"""A tanh perceptron on the digits, trained by SGD with momentum.

Wrong: the learning rate is 10 where 0.05 would do; the loss climbs from 2.3 to a level many times higher and stays
there, finite because the hidden units are bounded. A competent diagnosis names an exploding loss (LOS002).
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    x = (x - x.mean()) / x.std()
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.2, random_state=seed)
    train = TensorDataset(torch.tensor(x_train, dtype=torch.float32), torch.tensor(y_train))
    loader = DataLoader(train, batch_size=64, shuffle=True)
    x_val, y_val = torch.tensor(x_val, dtype=torch.float32), torch.tensor(y_val)

    model = nn.Sequential(nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 10))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=10.0, momentum=0.9)
    history = []
    for epoch in range(10):
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
            val_loss, val_acc = criterion(logits, y_val).item(), (logits.argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch + 1}: loss {history[-1]:.3f} val loss {val_loss:.3f} val acc {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
