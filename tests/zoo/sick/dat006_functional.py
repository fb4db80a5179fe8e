"""Three sorts of defects from four measured quantities, softmax regression with one hidden layer, written by hand.

Wrong: the sorts occur 60 : 20 : 1, the loss is the plain mean, and the rarest sort is hardly ever recognised. A
competent diagnosis names class imbalance (DAT006).
"""

import sys

import torch

COUNTS = (1800, 600, 30)
CENTRES = torch.tensor([[1.0, 0.0, 0.5, 0.0], [-1.0, 1.0, 0.0, 0.5], [0.3, -0.9, -0.8, -0.3]])


def draw(counts, generator):
    parts = [CENTRES[k] + 0.75 * torch.randn(n, 4, generator=generator) for k, n in enumerate(counts)]
    labels = torch.cat([torch.full((n,), k) for k, n in enumerate(counts)])
    order = torch.randperm(len(labels), generator=generator)
    return torch.cat(parts)[order], labels[order]


def log_softmax(z):
    z = z - z.max(dim=1, keepdim=True).values
    return z - z.exp().sum(dim=1, keepdim=True).log()


def main(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = draw(COUNTS, generator)
    x_test, y_test = draw((200, 200, 200), generator)
    mean, std = x.mean(0), x.std(0)
    x, x_test = (x - mean) / std, (x_test - mean) / std

    w1 = (torch.randn(4, 16, generator=generator) * 0.5).requires_grad_()
    b1 = torch.zeros(16, requires_grad=True)
    w2 = (torch.randn(16, 3, generator=generator) * 0.25).requires_grad_()
    b2 = torch.zeros(3, requires_grad=True)
    parameters = [w1, b1, w2, b2]
    optimizer = torch.optim.SGD(parameters, lr=0.1)

    for step in range(400):
        batch = torch.randint(0, len(x), (64,), generator=generator)
        scores = log_softmax(torch.tanh(x[batch] @ w1 + b1) @ w2 + b2)
        loss = -scores[torch.arange(64), y[batch]].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            with torch.no_grad():
                found = (torch.tanh(x_test @ w1 + b1) @ w2 + b2).argmax(1)
            recalls = [(found[y_test == k] == k).float().mean().item() for k in range(3)]
            print(f"step {step + 1}: loss {loss.item():.3f}, recall of each sort", [round(r, 2) for r in recalls])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
