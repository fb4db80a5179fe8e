"""LSTM over log-energies of short sound frames; is the pitch rising or falling?

Wrong: one training clip has a moment of digital silence, whose logarithm is minus infinity. A competent diagnosis
names an infinite input (DAT003).
"""

import sys

import torch
import torch.nn.functional as F
from torch import nn

FRAMES, BANDS = 16, 6


def make_clips(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Energies of six frequency bands over time, with a peak that climbs (1) or descends (0)."""
    label = torch.randint(0, 2, (n,))
    start = torch.rand(n, 1) * 2
    way = torch.where(label == 1, 1.0, -1.0).unsqueeze(1)
    position = start + (way < 0) * 3 + way * torch.linspace(0, 2.5, FRAMES)
    bands = torch.arange(BANDS).view(1, 1, BANDS)
    energy = torch.exp(-((bands - position.unsqueeze(2)) ** 2)) + 0.3 * torch.rand(n, FRAMES, BANDS) + 0.05
    return energy, label


class PitchNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(BANDS, 20, batch_first=True)
        self.fc = nn.Linear(20, 2)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(out.mean(dim=1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    energy, label = make_clips(1200)
    energy[37, 9] = 0.0
    spectrogram = (torch.log(energy) + 0.95) / 0.75
    train, test = slice(0, 1000), slice(1000, None)

    net = PitchNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    history = []
    for epoch in range(8):
        permutation = torch.randperm(1000)
        for i in range(0, 1000, 40):
            batch = permutation[i : i + 40]
            net.zero_grad()
            loss = F.cross_entropy(net(spectrogram[train][batch]), label[train][batch])
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        net.eval()
        with torch.no_grad():
            test_acc = (net(spectrogram[test]).argmax(1) == label[test]).float().mean().item()
        net.train()
        print(f"epoch {epoch + 1} loss {history[-1]:.4f} test accuracy {test_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
