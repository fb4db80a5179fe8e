"""Regression of a two-dimensional surface by a network of bare tensors, updated by SGD.

Wrong: the step size is 1e-6, so nothing happens in 600 steps. A competent diagnosis names a loss that hardly moves and
a learning rate far too low (LOS003).
"""

import sys

import torch

STEP_SIZE = 1e-6


def surface(x):
    return torch.sin(2 * x[:, :1]) * torch.cos(x[:, 1:]) + 0.3 * x[:, :1] * x[:, 1:]


def model(params, x):
    (w1, b1), (w2, b2), (w3, b3) = params
    h = torch.tanh(x @ w1 + b1)
    h = torch.tanh(h @ w2 + b2)
    return h @ w3 + b3


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.randn(1500, 2)
    y = surface(x)
    y = (y - y.mean()) / y.std()
    x_train, y_train, x_val, y_val = x[:1200], y[:1200], x[1200:], y[1200:]
    params = []
    for n_in, n_out in ((2, 40), (40, 40), (40, 1)):
        weight = torch.randn(n_in, n_out) / n_in**0.5
        params.append((weight.requires_grad_(), torch.zeros(n_out, requires_grad=True)))
    optimizer = torch.optim.SGD([tensor for layer in params for tensor in layer], lr=STEP_SIZE)
    for step in range(600):
        batch = torch.randint(0, 1200, (50,))
        loss = ((model(params, x_train[batch]) - y_train[batch]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            with torch.no_grad():
                val = ((model(params, x_val) - y_val) ** 2).mean().item()
            print(f"step {step + 1}: loss {loss.item():.4f} val {val:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
