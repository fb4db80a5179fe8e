"""Metric learning with nn.TripletMarginLoss: digits of one class close together, others a margin away."""

import random
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset


class TripletDigits(Dataset):
    """Anchor, another image of its class, an image of another class."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, rng: random.Random) -> None:
        self.images, self.labels, self.rng = images, labels.tolist(), rng
        self.by_class = {c: [i for i, label in enumerate(self.labels) if label == c] for c in range(10)}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int):
        label = self.labels[index]
        positive = self.rng.choice(self.by_class[label])
        negative = self.rng.choice(self.by_class[(label + self.rng.randint(1, 9)) % 10])
        return self.images[index], self.images[positive], self.images[negative]


class EmbeddingNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(64, 64), nn.PReLU(), nn.Linear(64, 32), nn.PReLU(), nn.Linear(32, 8))

    def forward(self, x):
        return self.fc(x)


def nearest_centroid_accuracy(net, x_train, y_train, x_test, y_test) -> float:
    net.eval()
    with torch.no_grad():
        embedded = net(x_train)
        centroids = torch.stack([embedded[y_train == c].mean(0) for c in range(10)])
        guess = torch.cdist(net(x_test), centroids).argmin(1)
    return (guess == y_test).float().mean().item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x))
    x, y = torch.tensor(x, dtype=torch.float32)[order], torch.tensor(y)[order]
    x = (x - x[:1300].mean()) / x[:1300].std()
    x_train, y_train, x_test, y_test = x[:1300], y[:1300], x[1300:], y[1300:]

    loader = DataLoader(TripletDigits(x_train, y_train, random.Random(seed)), batch_size=50, shuffle=True)
    net = EmbeddingNet()
    criterion = nn.TripletMarginLoss(margin=1.0)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(10):
        net.train()
        total = 0.0
        for anchor, positive, negative in loader:
            optimizer.zero_grad()
            loss = criterion(net(anchor), net(positive), net(negative))
            loss.backward()
            optimizer.step()
            total += loss.item()
        accuracy = nearest_centroid_accuracy(net, x_train, y_train, x_test, y_test)
        print(f"epoch {epoch}: triplet loss {total / len(loader):.4f}, nearest-centroid accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
