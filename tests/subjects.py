"""Models of several kinds, sick and healthy, as subjects of checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.preflight.batch import Batch
from babysit.preflight.subject import Subject, call

VOCABULARY = 20


def subject(
    model: nn.Module,
    inputs: Any,
    targets: Any,
    loss: Callable[[Any, Any], Tensor] = F.cross_entropy,
    *,
    size: int = 0,
    fixed_size: bool = False,
) -> Subject:
    size = size or len(inputs if isinstance(inputs, Tensor) else next(iter(inputs)))
    batch = Batch(inputs, targets, size)
    return Subject(model, batch, call, lambda net, given: loss(call(net, given), given.targets), fixed_size=fixed_size)


def table(model: nn.Module, examples: int = 40, **options: Any) -> Subject:
    """Ten features, three classes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(examples, 10, generator=generator)
    return subject(model, x, torch.randint(3, (examples,), generator=generator), **options)


def images(model: nn.Module, **options: Any) -> Subject:
    """Of 8 × 8, three classes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 1, 8, 8, generator=generator)
    return subject(model, x, torch.randint(3, (40,), generator=generator), **options)


def text(model: nn.Module, *, form: str = "batch-first", **options: Any) -> Subject:
    """Random tokens, the target is the next one."""
    tokens = torch.randint(VOCABULARY, (32, 17), generator=torch.Generator().manual_seed(0))
    x, y = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
    if form == "time-major":
        x, y = x.t().contiguous(), y.t().contiguous()
    return subject(model, x, y.flatten() if form == "flat" else y, token_loss, size=len(x), **options)


def token_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs.reshape(-1, VOCABULARY), targets.reshape(-1))


class MLP(nn.Module):
    """With something done between its layers."""

    def __init__(self, between: Callable[[Tensor], Tensor] = lambda h: h, before: Any = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Linear(10, 32), nn.Linear(32, 3)
        self.between, self.before = between, before or (lambda x: x)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.between(torch.relu(self.one(self.before(x)))))


class CNN(nn.Module):
    """With something done before its head."""

    def __init__(self, between: Callable[[Tensor], Tensor] = lambda h: h) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU())
        self.head, self.between = nn.Linear(16, 3), between

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.features(x)).mean(dim=(2, 3)))


class GPT(nn.Module):
    def __init__(self, *, causal: bool = True, flat: bool = False, batch_first: bool = True, length: int = 32) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.tokens, self.head = nn.Embedding(VOCABULARY, 32), nn.Linear(32, VOCABULARY)
        self.positions = nn.Parameter(0.1 * torch.randn(length, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.1, batch_first=batch_first, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.causal, self.flat = causal, flat

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length) if self.causal else None
        outputs = self.head(self.blocks(self.tokens(x) + self.positions[:length], mask=mask))
        return outputs.flatten(0, 1) if self.flat else outputs


class Recurrent(nn.Module):
    """A language model; with ``classes``, a classifier of what is at the end."""

    def __init__(self, *, bidirectional: bool = False, batch_first: bool = True, classes: int = 0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.tokens = nn.Embedding(VOCABULARY, 16)
        self.layer = nn.LSTM(16, 16, batch_first=batch_first, bidirectional=bidirectional)
        self.head = nn.Linear(32 if bidirectional else 16, classes or VOCABULARY)
        self.at_the_end = classes > 0

    def forward(self, x: Tensor) -> Tensor:
        outputs = self.layer(self.tokens(x))[0]
        return self.head(outputs[:, -1] if self.at_the_end else outputs)
