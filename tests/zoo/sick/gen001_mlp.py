"""Classification of 120 samples with 200 measured genes each, six of which matter; an MLP, SGD with momentum.

Sick, GEN001 overfitting: more features than samples, a wide network and no weight decay. Every training sample is right
and a good third or more of the new ones is wrong. A competent diagnosis names overfitting.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def tensors(x, y):
    return TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y))


def run_epoch(model, loader, optimizer=None):
    model.train(optimizer is not None)
    total, hits, count = 0.0, 0, 0
    with torch.set_grad_enabled(optimizer is not None):
        for x, y in loader:
            logits = model(x)
            loss = F.cross_entropy(logits, y)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total, hits, count = (
                total + loss.item() * len(y),
                hits + (logits.argmax(1) == y).sum().item(),
                count + len(y),
            )
    return total / count, hits / count


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_classification(
        n_samples=520,
        n_features=200,
        n_informative=6,
        n_redundant=0,
        n_classes=3,
        n_clusters_per_class=1,
        random_state=seed,
    )
    x_train, x_val, y_train, y_val = train_test_split(x, y, train_size=120, random_state=seed)
    mean, std = x_train.mean(0), x_train.std(0)
    train_loader = DataLoader(tensors((x_train - mean) / std, y_train), batch_size=24, shuffle=True)
    val_loader = DataLoader(tensors((x_val - mean) / std, y_val), batch_size=200)
    model = nn.Sequential(nn.Linear(200, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(40):
        train_loss, train_acc = run_epoch(model, train_loader, optimizer)
        val_loss, val_acc = run_epoch(model, val_loader)
        if epoch % 8 == 7:
            print(f"{epoch + 1}: train {train_loss:.4f} ({train_acc:.2f})  validation {val_loss:.4f} ({val_acc:.2f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
