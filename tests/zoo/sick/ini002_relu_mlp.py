"""Breast cancer classification with a very deep ReLU MLP and one logit.

Sick, INI002 shrinking-activations: fourteen ReLU layers initialised with Xavier's scale for a linear unit and half its
gain on top. Each layer passes on about a third of the signal's standard deviation, and the logit does not depend on
the example any more. He's initialisation trains the same network.
A competent diagnosis names the shrinking activations; vanishing gradients follow from it.
"""

import argparse
import sys

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def build_model(n_in: int, width: int, depth: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(depth):
        linear = nn.Linear(n_in if i == 0 else width, width)
        nn.init.xavier_uniform_(linear.weight, gain=0.5)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU(inplace=True)]
    layers.append(nn.Linear(width, 1))
    return nn.Sequential(*layers)


def main(seed: int) -> None:
    args = argparse.Namespace(width=48, depth=14, lr=0.02, epochs=20, batch_size=48)
    torch.manual_seed(seed)
    np.random.seed(seed)
    X, y = load_breast_cancer(return_X_y=True)
    X_tr, X_te, y_tr, y_te = train_test_split(X, y, test_size=0.2, stratify=y, random_state=seed)
    mu, sigma = X_tr.mean(0), X_tr.std(0)
    X_tr, X_te = (X_tr - mu) / sigma, (X_te - mu) / sigma
    train = TensorDataset(torch.Tensor(X_tr), torch.Tensor(y_tr))
    test = TensorDataset(torch.Tensor(X_te), torch.Tensor(y_te))

    model = build_model(X.shape[1], args.width, args.depth)
    loss_fn = nn.BCEWithLogitsLoss()
    opt = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)
    for epoch in range(args.epochs):
        model.train()
        for xb, yb in DataLoader(train, batch_size=args.batch_size, shuffle=True, drop_last=True):
            loss = loss_fn(model(xb).squeeze(1), yb)
            opt.zero_grad()
            loss.backward()
            opt.step()
        model.eval()
        with torch.no_grad():
            xt, yt = test.tensors
            logit = model(xt).squeeze(1)
            acc = ((logit > 0) == (yt > 0.5)).float().mean()
        if epoch % 4 == 3:
            print(f"epoch {epoch + 1}: loss={loss.item():.4f} test_loss={loss_fn(logit, yt):.4f} test_acc={acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
