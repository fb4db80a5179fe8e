"""A siamese network: are two digits of the same class? One shared encoder, a logit from the embeddings' distance."""

import random
import sys

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class Pairs(Dataset):
    """Half of the pairs are of one class; drawn anew every time, or once where `fixed`."""

    def __init__(self, images: Tensor, labels: Tensor, count: int, rng: random.Random, fixed: bool) -> None:
        self.members = [(labels == c).nonzero().squeeze(1).tolist() for c in range(10)]
        self.images, self.count, self.rng = images, count, rng
        self.pairs = [self.draw(k) for k in range(count)] if fixed else None

    def draw(self, k: int) -> tuple[int, int, float]:
        first = self.rng.randrange(10)
        second = first if k % 2 == 0 else (first + self.rng.randint(1, 9)) % 10
        return self.rng.choice(self.members[first]), self.rng.choice(self.members[second]), float(first == second)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, float]:
        i, j, same = self.pairs[index] if self.pairs else self.draw(index)
        return self.images[i], self.images[j], same


class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 32))
        self.compare = nn.Linear(32, 1)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.compare((self.encoder(a) - self.encoder(b)).abs()).squeeze(1)


def evaluate(model: nn.Module, loader: DataLoader, criterion: nn.Module) -> tuple[float, float]:
    model.eval()
    loss, correct = 0.0, 0.0
    with torch.no_grad():
        for a, b, same in loader:
            logits = model(a, b)
            loss += criterion(logits, same.float()).item() * len(same)
            correct += ((logits > 0) == (same > 0.5)).sum().item()
    return loss / len(loader.dataset), correct / len(loader.dataset)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = random.Random(seed)
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x))
    x, y = torch.tensor(x, dtype=torch.float32)[order], torch.tensor(y)[order]
    x = (x - x[:1300].mean()) / x[:1300].std()
    train_loader = DataLoader(Pairs(x[:1300], y[:1300], 4000, rng, fixed=False), batch_size=100, shuffle=True)
    val_loader = DataLoader(Pairs(x[1300:], y[1300:], 800, rng, fixed=True), batch_size=400)

    model = Siamese()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
    for epoch in range(11):
        model.train()
        for a, b, same in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(a, b), same.float())
            loss.backward()
            optimizer.step()
        val_loss, val_acc = evaluate(model, val_loader, criterion)
        print(f"epoch {epoch + 1}: loss {loss.item():.4f}, validation loss {val_loss:.4f}, accuracy {val_acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
