"""Logistic regression on breast cancer data, full-batch gradient descent on bare tensors.

Wrong: the step size is so large that every step jumps over the valley to the other side; the loss goes up and down from
step to step. A competent diagnosis names an oscillating loss (LOS005).
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    x_train, x_test, y_train, y_test = [
        torch.tensor(part, dtype=torch.float32) for part in train_test_split(x, y, test_size=0.3, random_state=seed)
    ]
    w = (0.3 * torch.randn(30)).requires_grad_()
    b = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([w, b], lr=5.0)
    losses = []
    for step in range(200):
        loss = F.binary_cross_entropy_with_logits(x_train @ w + b, y_train) + 0.05 * (w**2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % 20 == 19:
            with torch.no_grad():
                test_acc = ((x_test @ w + b > 0).float() == y_test).float().mean().item()
            print(f"step {step}: {losses[-2]:.4f} step {step + 1}: {losses[-1]:.4f} (test accuracy {test_acc:.3f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
