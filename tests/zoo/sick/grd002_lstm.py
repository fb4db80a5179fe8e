"""The adding problem (sum of two marked numbers in a sequence) with an LSTM, SGD with momentum.

Sick, GRD002 exploding-gradient: all LSTM weights are eight times as large as PyTorch draws them; the recurrence is
chaotic, and the unclipped gradient norm reaches 1e3 to 1e6 every now and then.
A competent diagnosis names the exploding gradient.
"""

import sys

import torch
from torch import Tensor, nn


def adding_problem(n: int, length: int) -> tuple[Tensor, Tensor]:
    values = torch.rand(n, length) * 2 - 1
    marks = torch.zeros(n, length)
    half = length // 2
    rows = torch.arange(n)
    first, second = torch.randint(half, (n,)), half + torch.randint(length - half, (n,))
    marks[rows, first] = 1
    marks[rows, second] = 1
    target = (values * marks).sum(1, keepdim=True)
    return torch.stack([values * 3**0.5, (marks - 2 / length) * 3], dim=2), target / 0.816


class Adder(nn.Module):
    def __init__(self, hidden: int = 24) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size=2, hidden_size=hidden, batch_first=True)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        output, _ = self.lstm(x)
        return self.linear(output[:, -1])


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x_train, y_train = adding_problem(2000, 30)
    x_val, y_val = adding_problem(400, 30)
    model = Adder()
    with torch.no_grad():
        for parameter in model.lstm.parameters():
            parameter.mul_(8.0)

    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(5):
        for batch in torch.randperm(2000).split(40):
            loss = criterion(model(x_train[batch]), y_train[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            val_loss = criterion(model(x_val), y_val)
        print(f"epoch {epoch + 1}: train mse {loss.item():.4f} val mse {val_loss.item():.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
