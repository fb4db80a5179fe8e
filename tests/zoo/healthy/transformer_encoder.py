"""Digits as eight tokens, one a row: a transformer encoder with learned positions and mean pooling, AdamW."""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class EncoderClassifier(nn.Module):
    def __init__(self, dim: int = 32, heads: int = 4, depth: int = 2, classes: int = 10) -> None:
        super().__init__()
        self.embed = nn.Linear(8, dim)
        self.position = nn.Parameter(0.1 * torch.randn(1, 8, dim))
        layer = nn.TransformerEncoderLayer(dim, heads, dim_feedforward=64, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth)
        self.norm = nn.LayerNorm(dim)
        self.classify = nn.Linear(dim, classes)

    def forward(self, rows: Tensor) -> Tensor:
        tokens = self.encoder(self.embed(rows) + self.position)
        return self.classify(self.norm(tokens).mean(dim=1))


def evaluate(model: nn.Module, loader: DataLoader) -> tuple[float, float]:
    model.eval()
    loss, hits = 0.0, 0
    with torch.no_grad():
        for rows, labels in loader:
            logits = model(rows)
            loss += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            hits += int((logits.argmax(-1) == labels).sum())
    return loss / len(loader.dataset), hits / len(loader.dataset)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(digits.images, digits.target, test_size=0.2, random_state=seed)
    mean, std = train_x.mean(), train_x.std()
    train_set = TensorDataset(torch.tensor((train_x - mean) / std).float(), torch.tensor(train_y))
    test_set = TensorDataset(torch.tensor((test_x - mean) / std).float(), torch.tensor(test_y))
    train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=360)

    model = EncoderClassifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    for epoch in range(8):
        model.train()
        for rows, labels in train_loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(rows), labels)
            loss.backward()
            optimizer.step()
        test_loss, test_acc = evaluate(model, test_loader)
        print(f"epoch {epoch + 1}/8 loss {loss.item():.3f} test loss {test_loss:.3f} test acc {test_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
