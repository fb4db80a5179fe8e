from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.measure.record import Probe
from babysit.preflight.batch import Batch
from babysit.preflight.determinism import probe_determinism
from babysit.preflight.future import probe_future
from babysit.preflight.ignored_input import probe_ignored_input
from babysit.preflight.initial_loss import probe_initial_loss
from babysit.preflight.isolation import isolated
from babysit.preflight.leakage import probe_leakage
from babysit.preflight.learning_rate import probe_learning_rates
from babysit.preflight.overfit import probe_overfit
from babysit.preflight.regularization import probe_regularization
from babysit.preflight.subject import Subject, call

BATCHES = [(torch.randn(6, 4, generator=torch.Generator().manual_seed(n)), torch.arange(6) % 3) for n in range(5)]


def accuracy(outputs: Tensor, targets: Tensor) -> float:
    return (outputs.argmax(dim=1) == targets).double().mean().item()


PROBES: dict[str, Callable[[nn.Module], Probe]] = {
    "initial loss": lambda model: probe_initial_loss(model, F.cross_entropy, BATCHES, expected=1.0, loss_name="x"),
    "regularization": lambda model: probe_regularization(model, F.cross_entropy, *BATCHES[0]),
    "overfit": lambda model: probe_overfit(model, F.cross_entropy, accuracy, *BATCHES[0], chance_loss=1.1),
    "learning rate": lambda model: probe_learning_rates(
        model, F.cross_entropy, BATCHES, lambda network, lr: torch.optim.SGD(network.parameters(), lr=lr)
    ),
}


def with_state() -> nn.Module:
    """Batch norm, dropout, a frozen layer, gradients from before, and modules in different modes."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    F.cross_entropy(model(BATCHES[0][0]), BATCHES[0][1]).backward()  # type: ignore[no-untyped-call]
    model[0].requires_grad_(False)
    model[1].eval()
    return model


def everything(model: nn.Module) -> dict[str, object]:
    tensors = {f"value of {name}": tensor.clone() for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        tensors[f"gradient of {name}"] = torch.tensor(0) if parameter.grad is None else parameter.grad.clone()
        tensors[f"trainable {name}"] = torch.tensor(parameter.requires_grad)
    modes = {f"mode of {name}": torch.tensor(module.training) for name, module in model.named_modules()}
    return {**tensors, **modes, "random state": torch.get_rng_state()}


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_changes_nothing(name: str) -> None:
    model = with_state()
    others = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
    before = everything(model)
    PROBES[name](model)
    after = everything(model)
    assert before.keys() == after.keys()
    changed = [item for item in before if not torch.equal(before[item], after[item])]  # type: ignore[arg-type]
    assert changed == []
    assert others == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_gives_the_same_numbers_whatever_was_drawn_before(name: str) -> None:
    model = with_state()
    first = PROBES[name](model)
    torch.manual_seed(99)
    assert repr(PROBES[name](model)) == repr(first)


@pytest.mark.parametrize("name", PROBES)
def test_an_interrupted_probe_changes_nothing_either(name: str) -> None:
    class Stops(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = with_state()

        def forward(self, inputs: Tensor) -> Tensor:
            torch.rand(3)
            self.inner(inputs)
            raise KeyboardInterrupt

    model = Stops()
    before = everything(model)
    with pytest.raises(KeyboardInterrupt):
        PROBES[name](model)
    after = everything(model)
    assert [item for item in before if not torch.equal(before[item], after[item])] == []  # type: ignore[arg-type]


def test_the_copy_is_deep_and_draws_from_a_stream_of_its_own() -> None:
    model = nn.Linear(2, 2)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with isolated(model, seed=8) as copy:
        copy.weight.data.zero_()
        drawn = torch.rand(3)
    assert model.weight.abs().sum() > 0
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(8)))


def tokens_subject() -> Subject:
    """A language model with state of every kind: its tokens are inputs, the next ones targets."""
    torch.manual_seed(1)

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.norm, self.drop = nn.Embedding(9, 8), nn.BatchNorm1d(12), nn.Dropout(0.2)
            self.layer, self.head = nn.GRU(8, 8, batch_first=True), nn.Linear(8, 9)
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            noise = float(np.random.rand()) + random.random() + torch.rand(())
            return self.head(self.layer(self.drop(self.norm(self.tokens(x))))[0]) + 0.01 * noise

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        return F.cross_entropy(model(batch.inputs).flatten(0, 1), batch.targets.flatten())

    text = torch.randint(9, (16, 13))
    subject = Subject(Model(), Batch(text[:, :-1], text[:, 1:], 16), call, loss)
    subject.loss(subject.model, subject.batch).backward()  # type: ignore[no-untyped-call]
    subject.model.tokens.requires_grad_(False)  # type: ignore[operator, union-attr]
    subject.model.norm.eval()  # type: ignore[operator, union-attr]
    return subject


OF_SUBJECTS: dict[str, Callable[[Subject], Probe]] = {
    "batch leakage": probe_leakage,
    "ignored input": probe_ignored_input,
    "determinism": probe_determinism,
    "future leakage": probe_future,
}


@pytest.mark.parametrize("name", OF_SUBJECTS)
def test_a_probe_of_a_subject_changes_nothing(name: str) -> None:
    subject = tokens_subject()
    inputs, targets = subject.batch.inputs.clone(), subject.batch.targets.clone()
    others = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
    before = everything(subject.model)
    first = OF_SUBJECTS[name](subject)
    after = everything(subject.model)
    assert [item for item in before if not torch.equal(before[item], after[item])] == []  # type: ignore[arg-type]
    assert others == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
    assert torch.equal(inputs, subject.batch.inputs)
    assert torch.equal(targets, subject.batch.targets)
    assert torch.is_grad_enabled()
    assert first.numbers
    torch.manual_seed(99)
    assert repr(OF_SUBJECTS[name](subject)) == repr(first)


@pytest.mark.parametrize("name", OF_SUBJECTS)
def test_a_model_that_fails_or_is_interrupted_is_left_as_it_was(name: str) -> None:
    for error in (KeyboardInterrupt, ZeroDivisionError):
        subject = tokens_subject()

        def fail(*_: object, error: type[BaseException] = error) -> None:
            torch.rand(3)
            np.random.rand()
            raise error

        subject.model.register_forward_hook(fail)
        others = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
        before = everything(subject.model)
        if error is KeyboardInterrupt:
            with pytest.raises(KeyboardInterrupt):
                OF_SUBJECTS[name](subject)
        else:
            found = OF_SUBJECTS[name](subject)
            assert not found.numbers
            assert "ZeroDivisionError" in found.texts["reason"]
        after = everything(subject.model)
        assert [item for item in before if not torch.equal(before[item], after[item])] == []  # type: ignore[arg-type]
        assert others == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
