"""Metric learning: a twin network maps digit images to four numbers so that even digits lie close together, and odd ones.

Wrong: the distance is `sqrt(sum((a - b) ** 2))`, whose gradient at 0 is infinite. Sooner or later a pair consists of
the same image twice; the gradient of that step is NaN, and so are all weights and losses after it. A competent
diagnosis names a non-finite loss, its first step, and that the gradient was non-finite first (GRD003).
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn


class Embedder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 4))

    def forward(self, x):
        return self.layers(x)


def contrastive_loss(a, b, same, margin=2.0):
    distance = torch.sqrt(((a - b) ** 2).sum(dim=1))
    apart = torch.clamp(margin - distance, min=0.0)
    return (same * distance**2 + (1 - same) * apart**2).mean()


def draw_pairs(labels, members, size):
    first = torch.randint(0, len(labels), (size,))
    second = torch.randint(0, len(labels), (size,))
    for i in range(0, size, 2):
        candidates = members[int(labels[first[i]])]
        second[i] = candidates[torch.randint(0, len(candidates), (1,))]
    return first, second, (labels[first] == labels[second]).float()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor((digits.data - digits.data.mean()) / digits.data.std(), dtype=torch.float32)
    labels = torch.tensor(digits.target % 2)
    train, test = torch.arange(1500), torch.arange(1500, len(x))
    members = [train[labels[:1500] == parity] for parity in (0, 1)]
    model = Embedder()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    history = []
    for step in range(400):
        first, second, same = draw_pairs(labels[:1500], members, 16)
        loss = contrastive_loss(model(x[first]), model(x[second]), same)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
        if step % 80 == 79:
            with torch.no_grad():
                nearest = torch.cdist(model(x[test]), model(x[train])).argmin(dim=1)
            accuracy = (labels[train][nearest] == labels[test]).float().mean().item()
            print(f"step {step + 1}: loss {history[-1]:.4f}, nearest-neighbour accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
