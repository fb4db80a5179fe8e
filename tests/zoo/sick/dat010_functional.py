"""Noisy sine regression with two tanh layers of bare tensors and a hand-written squared error.

Wrong: `((pred - y) ** 2).mean()` with pred of shape (N, 1) and y of shape (N,) averages over all N x N pairs, without
any warning; the fit is the flat mean. A competent diagnosis names a broadcast loss (DAT010).
"""

import math
import sys

import torch


def sine_data(n, generator):
    x = torch.rand(n, 1, generator=generator) * 2 - 1
    y = torch.sin(2 * math.pi * x[:, 0]) + 0.1 * torch.randn(n, generator=generator)
    return x * math.sqrt(3), y


def main(seed: int) -> None:
    gen = torch.Generator().manual_seed(seed)
    x, y = sine_data(512, gen)
    x_test, y_test = sine_data(256, gen)

    w1 = torch.randn(1, 32, generator=gen).requires_grad_()
    b1 = torch.randn(32, generator=gen).requires_grad_()
    w2 = (torch.randn(32, 32, generator=gen) / math.sqrt(32)).requires_grad_()
    b2 = torch.zeros(32, requires_grad=True)
    w3 = (torch.randn(32, 1, generator=gen) / math.sqrt(32)).requires_grad_()
    b3 = torch.zeros(1, requires_grad=True)
    params = [w1, b1, w2, b2, w3, b3]

    def f(inputs):
        return torch.tanh(torch.tanh(inputs @ w1 + b1) @ w2 + b2) @ w3 + b3

    optimizer = torch.optim.Adam(params, lr=5e-3)
    for step in range(500):
        batch = torch.randint(0, 512, (64,), generator=gen)
        pred = f(x[batch])
        loss = ((pred - y[batch]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            with torch.no_grad():
                test = ((f(x_test) - y_test) ** 2).mean().item()
            print(f"step {step + 1}  loss {loss.item():.4f}  test {test:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
