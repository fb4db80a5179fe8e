"""Which of four waveforms a noisy series comes from: an LSTM over 20 time steps, Adam.

Sick, GRD002 exploding-gradient: all LSTM weights are drawn from N(0, 3²); the recurrence is chaotic, and the
unclipped gradient norm is in the thousands, where one is usual. The loss itself is finite and ordinary. A competent
diagnosis names the exploding gradient.
"""

import math
import sys

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


def waveforms(n: int, length: int) -> tuple[Tensor, Tensor]:
    label = torch.randint(4, (n,))
    t = 1.5 * torch.arange(length) / length + torch.rand(n, 1)
    sine = torch.sin(2 * math.pi * t)
    saw = 2 * (t % 1) - 1
    waves = torch.stack([sine * 1.4, sine.sign(), saw * 1.7, -saw * 1.7], dim=1)
    return (waves[torch.arange(n), label] + 0.1 * torch.randn(n, length)).unsqueeze(-1), label


class WaveLSTM(nn.Module):
    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size=1, hidden_size=hidden, batch_first=True)
        self.linear = nn.Linear(hidden, 4)
        for name, parameter in self.lstm.named_parameters():
            if "weight" in name:
                nn.init.normal_(parameter, std=3.0)

    def forward(self, x: Tensor) -> Tensor:
        output, _ = self.lstm(x)
        return self.linear(output[:, -1])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, y_train = waveforms(2000, 20)
    x_val, y_val = waveforms(400, 20)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=50, shuffle=True)
    model = WaveLSTM()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=8e-3)
    for epoch in range(5):
        model.train()
        for x, y in loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(x_val)
        accuracy = (logits.argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f} val {criterion(logits, y_val).item():.4f} acc {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
