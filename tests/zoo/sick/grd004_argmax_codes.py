"""Wine cultivars through discrete codes: an encoder chooses four code words, an embedding and an MLP classify them; Adam.

Sick, GRD004 no-gradient: the code words are chosen by argmax, which has no derivative, and the straight-through estimator was
forgotten: the encoder's parameters are trainable but get no gradient. A competent diagnosis names the encoder's
parameters.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn


class DiscreteCodeClassifier(nn.Module):
    def __init__(self, n_inputs: int, n_codes: int = 4, n_words: int = 8, dim: int = 8) -> None:
        super().__init__()
        self.n_codes, self.n_words = n_codes, n_words
        self.encoder = nn.Sequential(nn.Linear(n_inputs, 32), nn.ReLU(), nn.Linear(32, n_codes * n_words))
        self.words = nn.Parameter(torch.randn(n_codes, n_words, dim))
        self.classifier = nn.Sequential(nn.Linear(n_codes * dim, 32), nn.ReLU(), nn.Linear(32, 3))

    def forward(self, x: Tensor) -> Tensor:
        scores = self.encoder(x).view(-1, self.n_codes, self.n_words)
        choice = F.one_hot(scores.argmax(dim=-1), self.n_words).float()
        words = torch.einsum("bcw,cwd->bcd", choice, self.words)
        return self.classifier(words.flatten(1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_wine(return_X_y=True)
    order = torch.randperm(len(x)).numpy()
    x, y = x[order], torch.tensor(y[order])
    scaler = StandardScaler().fit(x[:130])
    x = torch.tensor(scaler.transform(x), dtype=torch.float32)

    model = DiscreteCodeClassifier(13)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(1, 301):
        batch = torch.randint(130, (26,))
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        if step % 60 == 0:
            with torch.no_grad():
                accuracy = (model(x[130:]).argmax(1) == y[130:]).float().mean().item()
            print(f"step {step}: loss {loss.item():.4f}, validation accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
