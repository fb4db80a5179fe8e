"""Three moderately imbalanced classes: cross-entropy with class weights and label smoothing; balanced accuracy."""

import sys

import numpy as np
import torch
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    X, y = make_classification(
        n_samples=2000,
        n_features=20,
        n_informative=12,
        n_classes=3,
        n_clusters_per_class=1,
        weights=[0.55, 0.3, 0.15],
        class_sep=1.2,
        flip_y=0.02,
        random_state=seed,
    )
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.25, stratify=y, random_state=seed)
    mean, std = X_train.mean(axis=0), X_train.std(axis=0)
    X_train = torch.tensor((X_train - mean) / std, dtype=torch.float32)
    X_val = torch.tensor((X_val - mean) / std, dtype=torch.float32)
    counts = np.bincount(y_train)
    weight = torch.tensor(len(y_train) / (3 * counts), dtype=torch.float32)

    loader = DataLoader(TensorDataset(X_train, torch.tensor(y_train)), batch_size=60, shuffle=True)
    model = nn.Sequential(nn.Linear(20, 48), nn.ReLU(), nn.Linear(48, 3))
    criterion = nn.CrossEntropyLoss(weight=weight, label_smoothing=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(9):
        model.train()
        train_loss = 0.0
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
            train_loss += loss.item()
        model.eval()
        with torch.no_grad():
            outputs = model(X_val)
            val_loss = criterion(outputs, torch.tensor(y_val)).item()
        score = balanced_accuracy_score(y_val, outputs.argmax(1).numpy())
        print(f"epoch {epoch + 1}: {train_loss / len(loader):.4f} / {val_loss:.4f}, balanced accuracy {score:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
