"""Contrastive learning (InfoNCE): two noisy views of a digit must find each other among the batch."""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn


class Encoder(nn.Module):
    def __init__(self, dim: int = 24) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
        self.projection = nn.Linear(64, dim)

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.projection(self.trunk(images)), dim=-1)


def augment(images: Tensor) -> Tensor:
    """Change the contrast a little and add noise."""
    contrast = 0.85 + 0.3 * torch.rand(len(images), 1, 1)
    return contrast * images + 0.5 * torch.randn_like(images)


def info_nce(a: Tensor, b: Tensor, temperature: float = 0.2) -> Tensor:
    similarity = a @ b.t() / temperature
    labels = torch.arange(len(a))
    return (F.cross_entropy(similarity, labels) + F.cross_entropy(similarity.t(), labels)) / 2


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    images = (images - images.mean(0)) / images.std()
    order = torch.randperm(len(images))
    train, test = order[:1408], order[1408:]

    encoder = Encoder()
    optimizer = torch.optim.Adam(encoder.parameters(), lr=2e-3)
    for epoch in range(1, 13):
        losses = []
        for idx in train[torch.randperm(len(train))].split(64):
            loss = info_nce(encoder(augment(images[idx])), encoder(augment(images[idx])))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if epoch % 3 == 0:
            print(f"epoch {epoch}: contrastive loss {sum(losses) / len(losses):.3f}")

    with torch.no_grad():
        embedding = encoder(images)
    knn = KNeighborsClassifier(5).fit(embedding[train].numpy(), labels[train].numpy())
    print(
        f"nearest neighbours in the embedding: accuracy {knn.score(embedding[test].numpy(), labels[test].numpy()):.4f}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
