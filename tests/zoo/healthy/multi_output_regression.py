"""Multi-output regression: the position and direction of a planar robot arm's hand from its three joint angles."""

import math
import sys

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

LENGTHS = (1.0, 0.8, 0.5)


def forward_kinematics(angles: Tensor) -> Tensor:
    total = angles.cumsum(dim=1)
    lengths = torch.tensor(LENGTHS)
    x, y = (lengths * total.cos()).sum(1), (lengths * total.sin()).sum(1)
    return torch.stack([x, y, total[:, -1].cos(), total[:, -1].sin()], dim=1)


def main(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    angles = (torch.rand(2400, 3, generator=generator) - 0.5) * math.pi
    targets = forward_kinematics(angles)
    inputs = angles / angles.std()
    targets = (targets - targets.mean(dim=0)) / targets.std(dim=0)
    train = TensorDataset(inputs[:2000], targets[:2000])
    x_val, y_val = inputs[2000:], targets[2000:]

    model = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 4))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    criterion = nn.MSELoss()
    loader = DataLoader(train, batch_size=100, shuffle=True, generator=generator)
    for epoch in range(20):
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        if epoch % 4 == 3:
            with torch.no_grad():
                prediction = model(x_val)
                val_loss = criterion(prediction, y_val)
                r2 = 1 - ((prediction - y_val) ** 2).mean(0) / y_val.var(0)
            print(f"epoch {epoch + 1}: val loss {val_loss:.5f}, R2 {[round(v, 4) for v in r2.tolist()]}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
