"""Two intertwined spirals told apart by logistic regression, written with bare tensors, binary cross-entropy, Adam.

Sick, GEN002 underfitting: one straight line, where the spirals wind round each other. Loss and accuracy are the same for
training and validation points, and settle early. A competent diagnosis says that a larger network may do better.
"""

import sys

import torch
import torch.nn.functional as F


def spirals(n, generator):
    label = (torch.rand(n, generator=generator) < 0.5).float()
    radius = 0.3 + 2 * torch.rand(n, generator=generator)
    angle = 2.5 * radius + torch.pi * label
    points = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    return points + 0.05 * torch.randn(n, 2, generator=generator), label


def main(seed: int) -> None:
    gen = torch.Generator().manual_seed(seed)
    x, y = spirals(2400, gen)
    x_val, y_val = spirals(600, gen)
    w = (0.1 * torch.randn(2, 1, generator=gen)).requires_grad_()
    b = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([w, b], lr=0.02)
    for epoch in range(20):
        for rows in torch.randperm(2400, generator=gen).split(80):
            logits = (x[rows] @ w + b).squeeze(1)
            loss = F.binary_cross_entropy_with_logits(logits, y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            logits = (x_val @ w + b).squeeze(1)
            val_loss = F.binary_cross_entropy_with_logits(logits, y_val)
            accuracy = ((logits > 0) == (y_val > 0.5)).float().mean()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {loss.item():.4f} validation {val_loss.item():.4f} ({accuracy.item():.3f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
