"""Trainings that use torch in unusual ways: nothing in them changes, and watching does not end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.utils.checkpoint import checkpoint

from babysit.diagnose import diagnose
from babysit.measure.record import RunRecord
from babysit.watch import Monitor

Step = Callable[[Tensor, Tensor], Tensor]
STEPS = 4


def mlp(inputs: int = 8, outputs: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))


def train(
    model: nn.Module, loss_of: Step | None = None, optimizer: torch.optim.Optimizer | None = None
) -> list[Tensor]:
    """A few steps on random data; losses, parameters and buffers at the end."""
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(STEPS):
        x, y = torch.randn(16, 8), torch.randint(0, 3, (16,))
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y) if loss_of is None else loss_of(x, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return [torch.stack(losses), *model.state_dict().values()]


def watched(script: Callable[[], Sequence[Tensor]]) -> tuple[RunRecord, Sequence[Tensor]]:
    """Run a script with and without watching; what was recorded and what came out, which must be the same."""
    torch.manual_seed(0)
    bare, state = script(), torch.get_rng_state()
    torch.manual_seed(0)
    with Monitor() as monitor:
        seen = script()
    assert monitor.notes == ()
    torch.testing.assert_close(seen, bare, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(state, torch.get_rng_state())
    return monitor.record, seen


class Checkpointed(nn.Module):
    """A part that is computed again in the backward pass; each time it counts batches and draws random numbers."""

    def __init__(self, *, reentrant: bool, broken: bool = False) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)
        self.scale = nn.Parameter(torch.ones(8))
        self.reentrant, self.broken = reentrant, broken

    def forward(self, x: Tensor) -> Tensor:
        x = checkpoint(self.part, x.requires_grad_(), use_reentrant=self.reentrant, preserve_rng_state=False)
        return self.second(x)

    def part(self, x: Tensor) -> Tensor:
        x = F.dropout(self.norm(self.first(x)), 0.3) * self.scale
        return x.log() if self.broken else x


@pytest.mark.parametrize("broken", [False, True])
def test_a_checkpoint_is_computed_again_once_and_no_more(broken: bool) -> None:
    run, out = watched(lambda: train(Checkpointed(reentrant=False, broken=broken)))
    assert run.losses == pytest.approx(out[0].tolist(), nan_ok=True)


def test_a_backward_pass_within_another_is_no_loss_of_its_own() -> None:
    run, out = watched(lambda: train(Checkpointed(reentrant=True)))
    assert run.losses == pytest.approx(out[0].tolist())
    assert run.header.loss_name == "cross_entropy"
    assert {step.backwards for step in run.steps} == {1}


@pytest.mark.parametrize("several", [list, iter])
def test_several_losses_are_differentiated_at_once(several: Callable[[list[Tensor]], list[Tensor]]) -> None:
    def script() -> list[Tensor]:
        model, losses = mlp(), []
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(STEPS):
            out = model(torch.randn(16, 8))
            parts = [out.square().mean(), out.sum()]
            optimizer.zero_grad()
            torch.autograd.backward(several(parts))
            optimizer.step()
            losses.append((parts[0] + parts[1]).detach())
        return [torch.stack(losses), *model.parameters()]

    run, out = watched(script)
    assert run.losses == pytest.approx(out[0].tolist(), rel=1e-5)


@pytest.mark.parametrize("kind", [list, iter, dict])
def test_gradients_are_asked_for_in_any_form(kind: type) -> None:
    def script() -> list[Tensor]:
        model, losses = mlp(), []
        named = dict(model.named_parameters())
        for _ in range(STEPS):
            loss = F.cross_entropy(model(torch.randn(16, 8)), torch.randint(0, 3, (16,)))
            gradients = torch.autograd.grad(loss, named if kind is dict else kind(named.values()))
            with torch.no_grad():
                for parameter, gradient in zip(
                    named.values(), gradients.values() if kind is dict else gradients, strict=True
                ):
                    parameter -= 0.1 * gradient
            losses.append(loss.detach())
        return [torch.stack(losses), *named.values()]

    run, out = watched(script)
    assert run.losses == pytest.approx(out[0].tolist())


def test_gradients_with_respect_to_data_are_no_losses_of_the_training() -> None:
    def script() -> list[Tensor]:
        model = mlp()

        def attacked(x: Tensor, y: Tensor) -> Tensor:
            for _ in range(3):
                x = x.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(F.cross_entropy(model(x), y), x)
                x = x + 0.1 * gradient.sign()
            return F.cross_entropy(model(x.detach()), y)

        return train(model, attacked)

    run, out = watched(script)
    assert run.losses == pytest.approx(out[0].tolist())
    assert run.header.loss_name == "cross_entropy"


class OnFrozen(nn.Module):
    """A layer that is trained on top of one that is not, which torch computes on a shorter way then."""

    def __init__(self, frozen: nn.Module) -> None:
        super().__init__()
        self.frozen, self.top = frozen.eval().requires_grad_(False), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        words = x[:, None, :].repeat(1, 5, 1)
        if isinstance(self.frozen, nn.MultiheadAttention):
            out = self.frozen(words, words, words, need_weights=False)[0]
        else:
            out = self.frozen(words)
        return self.top(F.relu(out).mean(1))


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
        lambda: nn.MultiheadAttention(8, 2, batch_first=True),
    ],
)
def test_frozen_attention_is_computed_in_the_same_way(build: Callable[[], nn.Module]) -> None:
    run, _ = watched(lambda: train(OnFrozen(build())))
    assert "F.relu" in run.modules


class Scripted(nn.Module):
    """Its losses are functions that are compiled with it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.loss = nn.Linear(8, 3), nn.CrossEntropyLoss()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        out = self.layer(x)
        return self.loss(out, y) + F.mse_loss(out, x[:, :3])


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_a_model_with_losses_is_compiled_by_jit() -> None:
    torch.manual_seed(0)
    with Monitor() as monitor:  # first, as what is compiled once is kept
        seen = train_scripted()
    torch.manual_seed(0)
    bare = train_scripted()
    assert all(map(torch.equal, bare, seen))
    assert monitor.record.losses == pytest.approx(bare[0].tolist())


def train_scripted() -> list[Tensor]:
    model = torch.jit.script(Scripted())
    return train(model, model)


def test_a_warning_of_a_loss_blames_the_same_line() -> None:
    def script() -> list[Tensor]:
        out, target = torch.ones(4, 1, requires_grad=True), torch.zeros(4)
        with pytest.warns(UserWarning, match="target size") as caught:
            loss = F.mse_loss(out, target) + nn.MSELoss()(out, target)
        lines.append([(item.filename, item.lineno) for item in caught])
        loss.backward()
        return [loss.detach()]

    lines: list[list[tuple[str, int]]] = []
    watched(script)
    assert lines[0] == lines[1]
    assert lines[0][0][0] == __file__


def test_functions_that_were_imported_by_name_are_seen() -> None:
    def clipped(model: nn.Module) -> None:
        for _ in range(STEPS):
            loss = cross_entropy(model(torch.randn(16, 8)), torch.randint(0, 3, (16,)))
            loss.backward()
            clip_grad_norm_(model.parameters(), 1e-3)
            torch.optim.SGD(model.parameters(), lr=0.1).step()

    originals = cross_entropy, clip_grad_norm_
    with Monitor() as monitor:
        clipped(mlp())
    assert (cross_entropy, clip_grad_norm_) == originals
    assert monitor.record.header.loss_name == "cross_entropy"
    assert {step.clip_limit for step in monitor.record.steps} == {1e-3}


def test_watchers_end_in_any_order_and_leave_nothing() -> None:
    original = F.cross_entropy
    first, second = Monitor(), Monitor()
    first.start()
    second.start()
    train(mlp())
    first.close()
    train(mlp())
    second.close()
    assert F.cross_entropy is original
    assert (first.steps, second.steps) == (STEPS, 2 * STEPS)


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 3, dtype=torch.cfloat)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x).abs()
        return out


def test_complex_numbers_are_measured() -> None:
    def script() -> list[Tensor]:
        model = Complex()
        before = model.layer.weight.detach().clone()
        done = train(model, lambda x, y: F.cross_entropy(model(torch.fft.fft(x)), y))
        steps.append((model.layer.weight.detach() - before).norm().item())
        return done

    steps: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{__name__}.STEPS", 1)
        run, _ = watched(script)
    (layer,) = run.steps[0].layers
    assert layer.update_norm == pytest.approx(steps[0])
    assert run.steps[0].descent == pytest.approx(1.0)  # SGD goes straight down
    assert run.forwards[0].examples == run.forwards[0].distinct == 16


class Nothing(nn.Module):
    """Has weights of no elements beside others."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.none = nn.Linear(8, 3), nn.Parameter(torch.empty(0))
        self.to_none, self.of_none = nn.Parameter(torch.empty(8, 0)), nn.Parameter(torch.empty(0, 3))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x) + x @ self.to_none @ self.of_none + self.none.sum()
        return out


class Words(nn.Module):
    """Takes sequences of several lengths in one nested tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([item.mean(0) for item in self.layer(x).unbind()])


def of_sparse() -> list[Tensor]:
    model = mlp()
    return train(model, lambda x, y: F.cross_entropy(model((x * (x > 1)).to_sparse()), y))


def of_nested() -> list[Tensor]:
    model = Words()

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(model(torch.nested.nested_tensor([x[:3], x[3:]], layout=torch.jagged)), y[:2])

    return train(model, loss_of)


def of_nothing() -> list[Tensor]:
    model, turn = nn.Conv1d(8, 3, 1), iter(range(2 * STEPS))

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        size = 0 if next(turn) % 2 else 16
        return F.cross_entropy(model(x[:size, :, None]), y[:size, None], reduction="sum")

    return train(model, loss_of)


def of_nothing_on_average() -> list[Tensor]:
    model = mlp()
    return train(model, lambda x, _: F.mse_loss(model(x[:0]), x[:0, :3]))


def with_targets_in_vmap() -> list[Tensor]:
    model = mlp()

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        out = model(x)
        losses: Tensor = torch.func.vmap(lambda target: F.cross_entropy(out, target))(torch.stack([y, y]))
        return losses.mean()

    return train(model, loss_of)


class Endless(torch.utils.data.IterableDataset[Tensor]):
    def __iter__(self) -> Iterator[Tensor]:
        return iter([torch.ones(8)] * 4)

    def __len__(self) -> int:
        raise ValueError("nobody knows")


def of_a_loader_without_length() -> list[Tensor]:
    model = mlp()
    (x,) = torch.utils.data.DataLoader(Endless(), batch_size=4)
    return train(model, lambda _, y: F.cross_entropy(model(x), y[:4]))


@pytest.mark.parametrize(
    "script",
    [
        of_sparse,
        of_nested,
        of_nothing,
        of_nothing_on_average,
        with_targets_in_vmap,
        of_a_loader_without_length,
        lambda: train(Nothing()),
    ],
)
def test_watching_goes_on(script: Callable[[], list[Tensor]]) -> None:
    run, out = watched(script)
    assert run.losses == pytest.approx(out[0].tolist(), nan_ok=True)
    assert len(run.steps) == STEPS
    assert "INI001" not in {finding.code for finding in diagnose(run).findings}


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_a_compiled_step_holds_nothing_of_the_watching() -> None:
    def script() -> list[Tensor]:
        torch.compiler.reset()
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        step = torch.compile(lambda: optimizer.step(), backend="eager")
        losses = []
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(torch.randn(16, 8)), torch.randint(0, 3, (16,)))
            loss.backward()
            step()
            losses.append(loss.detach())
        return [torch.stack(losses), *model.parameters()]

    torch.manual_seed(0)
    bare = script()
    torch.manual_seed(0)
    with Monitor() as monitor:
        seen = script()
    assert all(map(torch.equal, bare, seen))
    assert monitor.record.losses == pytest.approx(bare[0].tolist())
    assert [note[:21] for note in monitor.notes] == ["the model is compiled"]
