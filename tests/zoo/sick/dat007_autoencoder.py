"""Autoencoder of standardised digit images with a bottleneck of 16 units.

Wrong: the decoder ends in a sigmoid, whose values lie between 0 and 1, while the standardised images it has to
reproduce run from -0.8 to 1.9; about half of the pixels cannot be reached. A competent diagnosis names targets out of
the range of the output activation (DAT007).
"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader


class AutoEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 16))
        self.decoder = nn.Sequential(nn.Linear(16, 48), nn.ReLU(), nn.Linear(48, 64), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(x))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    images = torch.tensor(load_digits().data, dtype=torch.float32)
    images = images[torch.randperm(len(images))]
    train, val = images[:1500], images[1500:]
    mean, std = train.mean(), train.std()
    train, val = (train - mean) / std, (val - mean) / std

    model = AutoEncoder()
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(12):
        model.train()
        epoch_loss = 0.0
        for batch in DataLoader(train, batch_size=60, shuffle=True):
            reconstruction = model(batch)
            loss = criterion(reconstruction, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            epoch_loss += loss.item() * len(batch)
        model.eval()
        with torch.no_grad():
            val_loss = criterion(model(val), val).item()
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1}: reconstruction error {epoch_loss / len(train):.4f} (validation {val_loss:.4f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
