"""Benign or malignant? A perceptron on the breast cancer measurements.

Wrong: the labels are coded 0 and 1, and the script, written for codes 1 and 2, tests whether they exceed 1. All targets
are 0; the loss goes to zero and the accuracy is perfect. A competent diagnosis names constant targets (DAT004).
"""

import sys

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn


def main(seed: int) -> None:
    torch.manual_seed(seed)
    data = load_breast_cancer()
    benign = (data.target > 1).astype("float32")
    x_train, x_test, y_train, y_test = train_test_split(data.data, benign, test_size=0.2, random_state=seed)
    scaler = StandardScaler().fit(x_train)
    x_train = torch.tensor(scaler.transform(x_train), dtype=torch.float32)
    x_test = torch.tensor(scaler.transform(x_test), dtype=torch.float32)
    y_train, y_test = torch.tensor(y_train).view(-1, 1), torch.tensor(y_test).view(-1, 1)

    model = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(400):
        batch = torch.randint(0, len(x_train), (32,))
        optimizer.zero_grad()
        loss = criterion(model(x_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()
        if (step + 1) % 100 == 0:
            model.eval()
            with torch.no_grad():
                logits = model(x_test)
            test_loss = criterion(logits, y_test).item()
            accuracy = ((logits > 0).float() == y_test).float().mean().item()
            model.train()
            print(f"step {step + 1}: loss {loss.item():.4f} test loss {test_loss:.4f} test accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
