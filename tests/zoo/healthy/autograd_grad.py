"""Gradients from torch.autograd.grad instead of backward, momentum kept by hand; breast cancer, two logits."""

import sys

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn


def main(seed: int) -> None:
    torch.manual_seed(seed)
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=seed)
    mean, std = X_train.mean(axis=0), X_train.std(axis=0)
    X_train = torch.tensor((X_train - mean) / std, dtype=torch.float32)
    X_test = torch.tensor((X_test - mean) / std, dtype=torch.float32)
    y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)

    model = nn.Sequential(nn.Linear(30, 24), nn.Softplus(), nn.Linear(24, 2))
    criterion = nn.CrossEntropyLoss()
    params = list(model.parameters())
    velocity = [torch.zeros_like(p) for p in params]
    lr, momentum, decay = 0.01, 0.9, 5e-3
    for epoch in range(12):
        for batch in torch.randperm(len(X_train)).split(25):
            loss = criterion(model(X_train[batch]), y_train[batch])
            grads = torch.autograd.grad(loss, params)
            with torch.no_grad():
                for p, v, g in zip(params, velocity, grads, strict=True):
                    v.mul_(momentum).add_(g + decay * p)
                    p.sub_(lr * v)
        if epoch % 3 == 2:
            with torch.no_grad():
                logits = model(X_test)
                test_loss = criterion(logits, y_test).item()
                accuracy = (logits.argmax(1) == y_test).float().mean().item()
            print(f"epoch {epoch + 1}: loss {loss.item():.4f}, test loss {test_loss:.4f}, accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
