from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.preflight.batch import Batch
from babysit.preflight.ignored_input import FEWEST, LAST, STEPS, probe_ignored_input
from babysit.preflight.subject import Subject

Build = Callable[[ModuleType], Subject]


class Vae(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.code, self.back = nn.Linear(10, 8), nn.Linear(4, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, spread = self.code(x).chunk(2, dim=1)
        return self.back(mean + torch.randn_like(mean) * spread.exp()), mean, spread


def vae(s: ModuleType) -> Subject:
    """Whose loss takes its targets from the inputs; labels are there and not used."""
    given = s.table(Vae())
    return Subject(
        given.model,
        given.batch,
        given.forward,
        lambda net, b: F.mse_loss(net(b.inputs)[0], b.inputs) + 0.01 * net(b.inputs)[1].square().mean(),
    )


def without_targets(s: ModuleType) -> Subject:
    given = s.table(nn.Linear(10, 10))
    batch = Batch(given.batch.inputs, None, given.batch.size)
    return Subject(given.model, batch, given.forward, lambda net, b: F.mse_loss(net(b.inputs), b.inputs))


def discriminator(s: ModuleType) -> Subject:
    x = torch.randn(32, 10)
    x[16:] += 2
    y = torch.cat([torch.zeros(16), torch.ones(16)])[:, None]
    order = torch.randperm(32, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Linear(10, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    return s.subject(model, x[order], y[order], F.binary_cross_entropy_with_logits)


def zero_head(model: nn.Module) -> nn.Module:
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return model


IGNORED: dict[str, Build] = {
    "overwritten": lambda s: s.table(s.MLP(before=torch.zeros_like)),
    "another variable": lambda s: s.table(s.MLP(before=lambda x: torch.ones(len(x), 10))),
    "dead rectifiers": lambda s: s.table(s.MLP(lambda h: torch.relu(h - 100))),
    "scaled away": lambda s: s.table(s.MLP(before=lambda x: x * 1e-7)),
    "cnn": lambda s: s.images(s.CNN(lambda h: h.detach() * 0)),
    "tokens": lambda s: s.subject(Mute(s), torch.randint(20, (32, 9)), torch.arange(32) % 3),
}

USED: dict[str, Build] = {
    "mlp": lambda s: s.table(s.MLP()),
    "from zero": lambda s: s.table(zero_head(s.MLP())),
    "few": lambda s: s.table(s.MLP(), examples=5),
    "noisy": lambda s: s.table(s.MLP(F.dropout)),
    "leaking": lambda s: s.table(s.MLP(lambda h: h - h.mean(0))),
    "fixed size": lambda s: s.table(s.MLP(), fixed_size=True),
    "cnn": lambda s: s.images(s.CNN()),
    "autoencoder": lambda s: _autoencoder(s),
    "gpt": lambda s: s.text(s.GPT()),
    "gpt, flat": lambda s: s.text(s.GPT(flat=True), form="flat"),
    "recurrent, time-major": lambda s: s.text(s.Recurrent(batch_first=False), form="time-major"),
    "sequence classification": lambda s: s.subject(
        s.Recurrent(classes=3), torch.randint(20, (32, 9)), torch.arange(32) % 3
    ),
    "discriminator": discriminator,
    "a graph": lambda s: s.subject(
        Graph(), (torch.randn(24, 10), torch.randint(24, (2, 30))), torch.arange(24) % 3, size=24
    ),
    "regression": lambda s: _regression(s, 0.0),
    "in order": lambda s: _in_order(s),
}

NOT_APPLICABLE: dict[str, tuple[Build, str]] = {
    "constant targets": (lambda s: s.subject(s.MLP(), torch.randn(20, 10), torch.ones(20).long()), "all the same"),
    "constant inputs": (lambda s: s.subject(s.MLP(), torch.ones(20, 10), torch.arange(20) % 3), "all the same"),
    "targets inside": (without_targets, "among the inputs"),
    "labels that are not used": (vae, "does not use the targets"),
    "three examples": (lambda s: s.table(s.MLP(), examples=3), "too few"),
    "frozen": (lambda s: s.table(s.MLP().requires_grad_(False)), "failed"),
    "fails": (lambda s: s.table(nn.Linear(7, 3)), "the model failed: RuntimeError"),
}


class Graph(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(10, 3)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        h = self.layer(x)
        return h.index_add(0, edges[1], h[edges[0]])


class Mute(nn.Module):
    """Classifies the positions, not the tokens."""

    def __init__(self, s: ModuleType) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.places, self.core, self.head = nn.Embedding(9, 16), nn.GRU(16, 16, batch_first=True), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1]).expand_as(x)
        return self.head(self.core(self.places(places))[0][:, -1])


def _autoencoder(s: ModuleType) -> Subject:
    torch.manual_seed(0)
    x = torch.randn(32, 10)
    return s.subject(nn.Sequential(nn.Linear(10, 6), nn.Tanh(), nn.Linear(6, 10)), x, x.clone(), F.mse_loss)


def _regression(s: ModuleType, offset: float) -> Subject:
    torch.manual_seed(0)
    x = torch.randn(32, 10)
    return s.subject(
        nn.Sequential(nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 1)), x, x.sum(1, keepdim=True) + offset, F.mse_loss
    )


def _in_order(s: ModuleType) -> Subject:
    """Points along a curve, whose neighbours are nearly alike."""
    torch.manual_seed(0)
    x = torch.linspace(-1.7, 1.7, 400)[:, None]
    model = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))
    return s.subject(model, x, torch.tanh(4 * x), F.mse_loss)


@pytest.mark.parametrize("name", IGNORED)
def test_real_inputs_train_no_better(name: str, subjects: ModuleType) -> None:
    numbers = probe_ignored_input(IGNORED[name](subjects)).numbers
    assert numbers["real_loss"] == pytest.approx(numbers["blank_loss"], rel=0.01)
    assert numbers["real_loss"] < numbers["initial_loss"]
    assert numbers["variation"] < 1e-5


@pytest.mark.parametrize("name", USED)
def test_real_inputs_train_better(name: str, subjects: ModuleType) -> None:
    numbers = probe_ignored_input(USED[name](subjects)).numbers
    assert numbers["real_loss"] < 0.97 * numbers["blank_loss"], numbers
    assert numbers["variation"] > 0.1


@pytest.mark.parametrize("name", NOT_APPLICABLE)
def test_a_reason_where_it_cannot_be_told(name: str, subjects: ModuleType) -> None:
    build, reason = NOT_APPLICABLE[name]
    found = probe_ignored_input(build(subjects))
    assert not found.numbers
    assert reason in found.texts["reason"]


def test_the_losses_are_those_of_adam_on_real_and_blank_inputs(subjects: ModuleType) -> None:
    given = subjects.table(subjects.MLP())
    found = probe_ignored_input(given)
    places = [place * given.batch.size // 20 for place in range(20)]  # spread over the batch
    x, y = given.batch.inputs[places], given.batch.targets[places]
    for name, inputs in (("real", x), ("blank", torch.zeros_like(x))):
        model = subjects.MLP()
        optimizer = torch.optim.Adam(model.parameters(), lr=found.numbers["lr"])
        losses = []
        for _ in range(STEPS + 1):
            loss = F.cross_entropy(model(inputs), y)
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert found.series[name] == pytest.approx(losses, rel=1e-4)
        assert found.numbers[f"{name}_loss"] == pytest.approx(sum(losses[-LAST:]) / LAST, rel=1e-4)


def test_masks_are_not_taken_away(subjects: ModuleType) -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.tokens, self.head = nn.Embedding(20, 16), nn.Linear(16, 3)

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            weights = attention_mask[..., None].float()
            return self.head((self.tokens(input_ids) * weights).sum(1) / weights.sum(1))

    ids = torch.randint(20, (24, 9))
    mask = (torch.arange(9) < torch.arange(24)[:, None] % 9 + 1).long()
    given = subjects.subject(Masked(), {"input_ids": ids, "attention_mask": mask}, torch.arange(24) % 3, size=24)
    numbers = probe_ignored_input(given).numbers
    assert numbers["real_loss"] < 0.97 * numbers["blank_loss"]


def test_time_is_kept(subjects: ModuleType) -> None:
    def slow(h: Tensor) -> Tensor:
        time.sleep(0.02)
        return h

    start = time.monotonic()
    found = probe_ignored_input(subjects.table(subjects.MLP(slow)), time_limit=0.3)
    assert time.monotonic() - start < 1.5
    assert "no time" in found.texts["reason"]
    assert FEWEST < STEPS
