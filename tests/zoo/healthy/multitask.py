"""Two heads on one trunk: which digit it is, and how its ink is spread (two centre-of-mass coordinates)."""

import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, 96), nn.ELU(), nn.Linear(96, 48), nn.ELU())
        self.classify = nn.Linear(48, 10)
        self.regress = nn.Linear(48, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.trunk(x)
        return self.classify(h), self.regress(h)


def centre_of_mass(images: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[:8, :8]
    mass = images.sum(axis=(1, 2))
    centres = np.stack([(images * rows).sum((1, 2)) / mass, (images * columns).sum((1, 2)) / mass], axis=1)
    return (centres - centres.mean(0)) / centres.std(0)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.tensor((digits.data - digits.data.mean()) / digits.data.std(), dtype=torch.float32)
    y = torch.tensor(digits.target)
    z = torch.tensor(centre_of_mass(digits.images), dtype=torch.float32)
    train_set, val_set = random_split(TensorDataset(x, y, z), [1437, 360])
    train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
    val_x, val_y, val_z = val_set[:]

    model = TwoHeads()
    ce, mse = nn.CrossEntropyLoss(), nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(1, 11):
        model.train()
        for inputs, labels, centres in train_loader:
            logits, prediction = model(inputs)
            loss_class = ce(logits, labels)
            loss_centre = mse(prediction, centres)
            loss = loss_class + loss_centre
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits, prediction = model(val_x)
            accuracy = (logits.argmax(1) == val_y).float().mean().item()
            val_class, val_centre = ce(logits, val_y).item(), mse(prediction, val_z).item()
        print(
            f"epoch {epoch}: train {loss_class.item():.4f} + {loss_centre.item():.4f}, "
            f"val {val_class:.4f} + {val_centre:.4f}, accuracy {accuracy:.4f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
