"""A soft mixture of experts: four small networks weighted by a gate; a piecewise function of two variables."""

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Expert(nn.Module):
    def __init__(self, n_in: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(n_in, hidden)
        self.fc2 = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class MixtureOfExperts(nn.Module):
    def __init__(self, n_in: int, experts: int = 4, hidden: int = 16) -> None:
        super().__init__()
        self.experts = nn.ModuleList([Expert(n_in, hidden) for _ in range(experts)])
        self.gate = nn.Linear(n_in, experts)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        weights = F.softmax(self.gate(x), dim=-1)
        outputs = torch.cat([expert(x) for expert in self.experts], dim=-1)
        return (weights * outputs).sum(dim=-1), weights


def make_data(count: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 2)
    y = torch.where(x[:, 0] > 0, torch.sin(2 * x[:, 1]), x[:, 0] * x[:, 1]) + 0.05 * torch.randn(count)
    return x, y / 0.8


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_data(2000)
    x_val, y_val = make_data(500)
    model = MixtureOfExperts(2)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(16):
        for batch in torch.randperm(len(x)).split(100):
            prediction, _ = model(x[batch])
            loss = F.mse_loss(prediction, y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 3 == 0:
            with torch.no_grad():
                prediction, weights = model(x_val)
                val_loss = F.mse_loss(prediction, y_val).item()
            share = [round(w, 2) for w in weights.mean(0).tolist()]
            print(f"epoch {epoch}: loss {loss.item():.4f} val {val_loss:.4f} (variance {y_val.var():.3f}) gate {share}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
