"""A GRU with a softmax head tells apart four kinds of symbol streams, trained with nn.NLLLoss.

Wrong: NLLLoss expects log-probabilities and is given probabilities, so the loss lies between -1 and 0. A competent
diagnosis names a loss outside its domain (LOS009).
"""

import sys

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

SYMBOLS, LENGTH = 6, 14


class StreamClassifier(nn.Module):
    def __init__(self, hidden: int = 24) -> None:
        super().__init__()
        self.embedding = nn.Embedding(SYMBOLS, 8)
        self.gru = nn.GRU(8, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, 4)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.gru(self.embedding(tokens))
        return self.softmax(self.linear(states[:, -1]))


def streams(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random walks on a ring of symbols; the kind decides how far each step goes."""
    kind = torch.randint(0, 4, (n,), generator=generator)
    stride = torch.tensor([1, 2, 4, 5])[kind].unsqueeze(1)
    slip = (torch.rand(n, LENGTH, generator=generator) < 0.2).long()
    start = torch.randint(0, SYMBOLS, (n, 1), generator=generator)
    return (start + (stride * (1 - slip)).cumsum(dim=1)) % SYMBOLS, kind


def main(seed: int) -> None:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    train_set = TensorDataset(*streams(1200, generator))
    x_val, y_val = streams(300, generator)
    loader = DataLoader(train_set, batch_size=40, shuffle=True, generator=generator)
    model = StreamClassifier()
    criterion = nn.NLLLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=8e-3)
    for epoch in range(8):
        model.train()
        for tokens, kind in loader:
            optimizer.zero_grad()
            loss = criterion(model(tokens), kind)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            out = model(x_val)
            val_loss, val_acc = criterion(out, y_val).item(), (out.argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch + 1}: loss {loss.item():.4f} / {val_loss:.4f}, accuracy {val_acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
