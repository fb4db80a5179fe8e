"""Autoencoder of digits with an eight-dimensional code, mean squared error; compared with PCA at the end."""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import nn
from torch.utils.data import DataLoader


class Autoencoder(nn.Module):
    def __init__(self, n: int = 64, code: int = 8) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(n, 64), nn.ReLU(), nn.Linear(64, code))
        self.decoder = nn.Sequential(nn.Linear(code, 64), nn.ReLU(), nn.Linear(64, n))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(x))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    data = load_digits().data
    data = torch.tensor((data - data.mean(axis=0)) / data.std(), dtype=torch.float32)
    data = data[torch.randperm(len(data))]
    train, val = data[:1500], data[1500:]
    loader = DataLoader(train, batch_size=50, shuffle=True)

    model = Autoencoder()
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(14):
        model.train()
        for batch in loader:
            optimizer.zero_grad()
            loss = criterion(model(batch), batch)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            val_loss = criterion(model(val), val).item()
        print(f"epoch {epoch + 1:2d}: train {loss.item():.4f} val {val_loss:.4f}")

    pca = PCA(8).fit(train.numpy())
    residual = val.numpy() - pca.inverse_transform(pca.transform(val.numpy()))
    print(f"PCA with 8 components: {(residual**2).mean():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
