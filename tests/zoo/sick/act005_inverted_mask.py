"""Topic of a synthetic word sequence: embedding, masked mean, MLP; AdamW.

Sick, ACT005 constant-output: the padding mask is inverted. It keeps only the padding, whose embedding is zero, so that
the classifier receives zeros for every sequence. A competent diagnosis says that the output does not depend on the
example (the embedding gets no gradient either).
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

PAD = 0
VOCABULARY = 200


def make_documents(n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Documents of 5 to 12 words, each topic with its own word frequencies."""
    topics = rng.integers(0, 5, n)
    documents = np.full((n, 12), PAD)
    for i, topic in enumerate(topics):
        length = rng.integers(5, 13)
        common = rng.integers(1, VOCABULARY, length)
        own = 1 + topic * 39 + rng.integers(0, 39, length)
        documents[i, :length] = np.where(rng.random(length) < 0.5, own, common)
    return torch.from_numpy(documents), torch.from_numpy(topics)


class TopicModel(nn.Module):
    def __init__(self, dim: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, dim, padding_idx=PAD)
        self.mlp = nn.Sequential(nn.Linear(dim, 32), nn.ReLU(), nn.Linear(32, 5))

    def forward(self, tokens: Tensor) -> Tensor:
        mask = (tokens == PAD).unsqueeze(-1).float()
        summed = (self.embedding(tokens) * mask).sum(dim=1)
        return self.mlp(summed / mask.sum(dim=1).clamp(min=1))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x_train, y_train = make_documents(2400, rng)
    x_val, y_val = make_documents(600, rng)
    model = TopicModel()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    step = 0
    for _epoch in range(5):
        order = torch.randperm(len(x_train))
        for batch in order.chunk(60):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x_train[batch]), y_train[batch])
            loss.backward()
            optimizer.step()
            step += 1
        model.eval()
        with torch.inference_mode():
            logits = model(x_val)
        model.train()
        print(f"step {step} loss {loss.item():.3f} val acc {(logits.argmax(1) == y_val).float().mean().item():.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
