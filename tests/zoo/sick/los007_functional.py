"""Binary classification of breast cancer data by a two-layer network of bare tensors.

Wrong: the output passes through a sigmoid and then into binary_cross_entropy_with_logits, which applies another one. The
loss cannot fall below about 0.45. A competent diagnosis names probabilities given to a loss that expects logits, a
double sigmoid (LOS007).
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split


def network(params, x):
    w1, b1, w2, b2 = params
    hidden = torch.tanh(F.linear(x, w1, b1))
    return torch.sigmoid(F.linear(hidden, w2, b2)).squeeze(1)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    x_train = torch.tensor((x_train - mean) / std, dtype=torch.float32)
    x_test = torch.tensor((x_test - mean) / std, dtype=torch.float32)
    y_train, y_test = torch.tensor(y_train, dtype=torch.float32), torch.tensor(y_test, dtype=torch.float32)

    params = [torch.randn(20, 30) / 30**0.5, torch.zeros(20), torch.randn(1, 20) / 20**0.5, torch.zeros(1)]
    for p in params:
        p.requires_grad_()
    optimizer = torch.optim.SGD(params, lr=0.1, momentum=0.9)
    n = len(x_train)
    for step in range(400):
        rows = torch.randint(0, n, (32,))
        loss = F.binary_cross_entropy_with_logits(network(params, x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 80 == 0:
            with torch.no_grad():
                out = network(params, x_test)
                test_loss = F.binary_cross_entropy_with_logits(out, y_test).item()
                test_acc = ((out > 0.5) == (y_test > 0.5)).float().mean().item()
            print(f"step {step + 1}: loss {loss.item():.4f}, test loss {test_loss:.4f}, test accuracy {test_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
