"""Variational autoencoder of digits: Bernoulli likelihood (BCE, summed over pixels) plus the KL divergence."""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class VAE(nn.Module):
    def __init__(self, pixels: int = 64, hidden: int = 96, latent: int = 6) -> None:
        super().__init__()
        self.fc1 = nn.Linear(pixels, hidden)
        self.fc_mu = nn.Linear(hidden, latent)
        self.fc_logvar = nn.Linear(hidden, latent)
        self.fc3 = nn.Linear(latent, hidden)
        self.fc4 = nn.Linear(hidden, pixels)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = F.relu(self.fc1(x))
        return self.fc_mu(h), self.fc_logvar(h)

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        return mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon: Tensor, target: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    bce = F.binary_cross_entropy(recon, target, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return (bce + kld) / len(target)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    pixels = torch.tensor(load_digits().data / 16, dtype=torch.float32)
    pixels = pixels[torch.randperm(len(pixels))]
    inputs = (pixels - pixels.mean()) / pixels.std()
    train_loader = DataLoader(TensorDataset(inputs[:1500], pixels[:1500]), batch_size=60, shuffle=True)

    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(1, 15):
        model.train()
        train_loss = 0.0
        for x, target in train_loader:
            optimizer.zero_grad()
            recon, mu, logvar = model(x)
            loss = loss_function(recon, target, mu, logvar)
            loss.backward()
            optimizer.step()
            train_loss += loss.item()
        model.eval()
        with torch.no_grad():
            recon, mu, logvar = model(inputs[1500:])
            test_loss = loss_function(recon, pixels[1500:], mu, logvar).item()
        print(f"====> Epoch {epoch}: average loss {train_loss / len(train_loader):.3f}, test loss {test_loss:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
