"""The order of two marks in a sequence, a small transformer encoder with dropout, AdamW, evaluated twice an epoch.

Sick, GEN003 wrong-mode: the evaluation forgets model.eval(), so that a fifth of everything is dropped while the network
is being judged. A competent diagnosis says that dropout is active in evaluation.
"""

import sys

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LENGTH, SYMBOLS = 12, 8


def sequences(n: int) -> tuple[Tensor, Tensor]:
    symbols = torch.randint(2, SYMBOLS, (n, LENGTH))
    places = torch.rand(n, LENGTH).argsort(dim=1)[:, :2]
    symbols.scatter_(1, places, torch.tensor([[0, 1]]).expand(n, 2))
    return symbols, (places[:, 0] < places[:, 1]).long()


class OrderModel(nn.Module):
    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.symbol = nn.Embedding(SYMBOLS, width)
        self.place = nn.Parameter(0.3 * torch.randn(LENGTH, width))
        layer = nn.TransformerEncoderLayer(width, 4, 48, dropout=0.2, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, 2)

    def forward(self, symbols: Tensor) -> Tensor:
        return self.head(self.encoder(self.symbol(symbols) + self.place).mean(dim=1))


@torch.inference_mode()
def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    logits = torch.cat([model(part) for part in x.split(100)])
    return F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = sequences(1200)
    x_val, y_val = sequences(300)
    model = OrderModel()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    step = 0
    for _ in range(4):
        for index in torch.randperm(1200).split(40):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[index]), y[index])
            loss.backward()
            optimizer.step()
            step += 1
            if step % 15 == 0:
                val_loss, accuracy = evaluate(model, x_val, y_val)
                print(f"step {step}: loss {loss.item():.4f} validation {val_loss:.4f} accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
