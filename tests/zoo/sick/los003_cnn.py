"""Convolutional digit classifier, Adam.

Wrong: Adam's learning rate is 5e-7; every weight moves by at most 0.0002 in the whole training. A competent diagnosis
names a loss that hardly moves and a learning rate far too low (LOS003).
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc = nn.Linear(32 * 4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    x = torch.from_numpy(digits.images).float().unsqueeze(1)
    x, y = (x - 4.884) / 6.017, torch.from_numpy(digits.target)
    perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    x_train, y_train, x_val, y_val = x[perm[:1440]], y[perm[:1440]], x[perm[1440:]], y[perm[1440:]]
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-7)
    losses = []
    for step in range(400):
        batch = torch.randint(0, 1440, (48,))
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % 100 == 99:
            with torch.inference_mode():
                accuracy = (net(x_val).argmax(1) == y_val).float().mean().item()
            print(f"step {step + 1}: loss {sum(losses[-100:]) / 100:.4f}, validation accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
