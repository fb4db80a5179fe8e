"""Breast cancer with one output unit turned into a probability, nn.BCELoss, SGD.

Sick, ACT005 constant-output: a softmax over the only output unit returns exactly 1 for every patient, and no gradient
passes through it. A competent diagnosis says that the output is constant (softmax over a dimension of size one).
"""

import sys

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn, optim


class Classifier(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, 32),
            nn.ReLU(),
            nn.Linear(32, 16),
            nn.ReLU(),
            nn.Linear(16, 1),
        )
        self.probability = nn.Softmax(dim=1)

    def forward(self, x):
        return self.probability(self.layers(x))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.2, random_state=seed)
    scaler = StandardScaler()
    X_train = torch.FloatTensor(scaler.fit_transform(X_train))
    X_val = torch.FloatTensor(scaler.transform(X_val))
    y_train, y_val = torch.FloatTensor(y_train).view(-1, 1), torch.FloatTensor(y_val).view(-1, 1)

    model = Classifier(X.shape[1])
    criterion = nn.BCELoss()
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    batch_size = 35
    for epoch in range(15):
        model.train()
        indices = torch.randperm(len(X_train))
        for i in range(0, len(X_train), batch_size):
            index = indices[i : i + batch_size]
            probability = model(X_train[index])
            loss = criterion(probability, y_train[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            probability = model(X_val)
            val_loss = criterion(probability, y_val)
            accuracy = ((probability > 0.5) == (y_val > 0.5)).float().mean()
        if epoch % 3 == 2:
            print(
                f"Epoch {epoch + 1}, loss {loss.item():.4f}, val loss {val_loss.item():.4f}, val acc {accuracy.item():.4f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
