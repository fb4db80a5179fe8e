"""A script's first step, taken again: whatever it makes of its outputs, and whatever it is written with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.errors import BabysitError, InputError
from babysit.preflight.capture import Capture
from babysit.preflight.gradient import probe_gradient
from babysit.preflight.isolation import isolated
from babysit.preflight.subject import Subject


class Stop(BaseException):
    """Ends a training that was captured."""


def captured(train: Callable[[], Any]) -> Subject:
    found: list[Subject] = []

    def take(subject: Subject) -> None:
        found.append(subject)
        raise Stop

    capture_by(take, train)
    return found[0]


def capture_by(found: Callable[[Subject], None], train: Callable[[], Any]) -> None:
    """Run a training until what is found in it ends it."""

    def refused(error: BabysitError) -> None:
        raise error

    capture = Capture(found, refused)
    capture.start()
    try:
        with pytest.raises(Stop):
            train()
    finally:
        capture.stop()


def loss_of(subject: Subject) -> float:
    with isolated(subject.model) as model:
        return subject.loss(model, subject.batch).item()


def test_a_plain_step() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    before = {name: item.clone() for name, item in model.state_dict().items()}
    x, y = torch.randn(16, 4), torch.randint(0, 3, (16,))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def train() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    subject = captured(train)
    assert subject.model is model
    assert subject.optimizer is optimizer
    assert torch.equal(subject.batch.inputs[0], x)
    assert torch.equal(subject.batch.targets[0], y)
    assert loss_of(subject) == pytest.approx(F.cross_entropy(model(x), y).item())
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    few = subject.few(4)
    assert not subject.fixed_size
    assert torch.equal(few.inputs[0], x[:4])


def pairs(outputs: Tensor) -> Tensor:
    """A loss that compares the examples of a batch with each other."""
    return F.cross_entropy(outputs @ outputs.T, torch.arange(len(outputs)))


NEEDS_ITS_SIZE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "a sum": lambda outputs, y: F.cross_entropy(outputs, y, reduction="sum"),
    "a size that is written down": lambda outputs, y: F.cross_entropy(outputs.view(16, 3, -1).flatten(1), y),
    "noise": lambda outputs, y: F.cross_entropy(F.dropout(outputs), y),
    "other examples": lambda outputs, _: pairs(outputs),
}


@pytest.mark.parametrize("name", NEEDS_ITS_SIZE)
def test_where_the_step_needs_the_size_of_its_batch_a_few_examples_fill_it(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 3))
    x, y = torch.randn(16, 4), torch.randint(0, 3, (16,))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def train() -> None:
        NEEDS_ITS_SIZE[name](model(x), y).backward()
        optimizer.step()

    subject = captured(train)
    few = subject.few(4)
    assert subject.fixed_size
    assert few.size == 16
    assert torch.equal(few.inputs[0][4:8], x[:4])


def test_what_the_script_was_warned_of_is_not_said_again(recwarn: pytest.WarningsRecorder) -> None:
    model, x, y = nn.Linear(4, 1), torch.randn(16, 4), torch.randn(16)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def train() -> None:
        with pytest.warns(UserWarning, match="different to the input size"):
            loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()

    captured(train)
    assert not recwarn.list


def test_a_few_examples_lose_what_they_lose_in_the_script() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    x, y, weights = torch.randn(50, 1, 8, 8), torch.randint(0, 3, (50,)), torch.linspace(0.5, 1.5, 50)

    def loss_of_rows(count: int) -> Tensor:
        return (F.cross_entropy(model(x[:count]), y[:count], reduction="none") * weights[:count]).mean()

    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def train() -> None:
        loss_of_rows(50).backward()
        optimizer.step()

    subject = captured(train)
    few = subject.few(20)
    assert [tuple(item.shape) for item in (*few.inputs, *few.targets)] == [(20, 1, 8, 8), (20,), (20,)]
    with isolated(subject.model) as copy:
        assert subject.loss(copy, few).item() == pytest.approx(loss_of_rows(20).item())


def test_lengths_in_a_list_go_with_their_examples() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 6)
    x, y = torch.randn(12, 10, 4), torch.randint(1, 6, (12, 5))
    frames, words = [10, 9] * 6, [1, 2, 3] * 4

    def loss_of_some(places: list[int]) -> Tensor:
        outputs = F.log_softmax(model(x[places]), dim=2).transpose(0, 1)
        lengths = ([frames[place] for place in places], [words[place] for place in places])
        return F.ctc_loss(outputs, y[places], *lengths)

    def train() -> None:
        outputs = F.log_softmax(model(x), dim=2).permute((1, 0, 2))
        F.ctc_loss(outputs, y, frames, words).backward()
        torch.optim.SGD(model.parameters(), 0.1).step()

    subject = captured(train)
    some = [7, 0, 5]
    assert subject.loss(model, subject.batch.take(some)).item() == pytest.approx(loss_of_some(some).item())
    assert not subject.fixed_size


def test_a_loss_written_by_hand_with_parameters_in_it() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    x, y = torch.randn(16, 4), torch.randn(16)
    optimizer = torch.optim.Adam(model.parameters())

    def train() -> None:
        out = model(x).squeeze(-1)
        loss = ((out - y) ** 2).mean() + 0.1 * model.weight.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    subject = captured(train)
    wanted = ((model(x).squeeze(-1) - y) ** 2).mean() + 0.1 * model.weight.square().sum()
    assert loss_of(subject) == pytest.approx(wanted.item())
    with isolated(subject.model) as twin:
        twin.weight.data.zero_()
        assert subject.loss(twin, subject.batch).item() == pytest.approx(((twin.bias - y) ** 2).mean().item())


def test_parts_of_a_model_called_one_by_one_and_data_drawn_between() -> None:
    torch.manual_seed(0)

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Linear(6, 2)
            self.decoder = nn.Linear(2, 6)

    model = Pair()
    x = torch.randn(8, 6)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def train() -> None:
        code = model.encoder(x)
        noise = torch.randn_like(code)
        F.mse_loss(model.decoder(code + noise), x).backward()
        optimizer.step()

    subject = captured(train)
    assert subject.model is model
    assert loss_of(subject) == loss_of(subject)
    assert torch.equal(subject.batch.targets[-1], x)


def test_embeddings_normalised_outside_the_model() -> None:
    """Their similarities are the logits: nothing of it is drawn at random, whatever the function is called."""
    torch.manual_seed(0)
    model, x = nn.Linear(4, 3), torch.randn(16, 4)
    losses: list[float] = []

    def train() -> None:
        z = F.normalize(model(x), dim=1)
        loss = F.cross_entropy(z @ z.T / 0.2, torch.arange(16).flip(0))
        losses.append(loss.item())
        loss.backward()

    subject = captured(train)
    assert loss_of(subject) == pytest.approx(losses[0], rel=1e-6)
    with isolated(subject.model) as other:
        nn.init.eye_(next(iter(other.parameters())))
        assert subject.loss(other, subject.batch).item() != pytest.approx(losses[0], rel=1e-3)


def test_points_by_which_a_model_is_differentiated_are_data() -> None:
    """They require a gradient, and nothing trains them; a factor that no optimizer holds was forgotten."""
    torch.manual_seed(0)
    scale, ends = torch.ones(1, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    model, code = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)), torch.zeros(1, 2, requires_grad=True)
    optimizer = torch.optim.Adam([*model.parameters(), code], 0.01)
    losses: list[float] = []

    def train() -> None:
        x = torch.rand(16, 1, requires_grad=True)
        u = model(torch.cat([x, code.expand(16, 2)], dim=1)) * scale
        slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
        loss = (slope - 2 * x).square().mean() + model(ends).square().mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    subject = captured(train)
    assert loss_of(subject) == pytest.approx(losses[0], rel=1e-6)
    loose = [tuple(item.shape) for name, item in subject.model.named_parameters() if name.startswith("tensor")]
    assert sorted(loose) == [(1,), (1, 2)]
    assert probe_gradient(subject, time_limit=0.2).numbers["error"] < 1e-5


def test_lbfgs() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
    optimizer = torch.optim.LBFGS(model.parameters())

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    subject = captured(lambda: optimizer.step(closure))
    assert subject.optimizer is optimizer
    with isolated(subject.model) as twin:
        made = subject.optimizer_for(twin)
        assert isinstance(made, torch.optim.LBFGS)
        made.step(lambda: subject.loss(twin, subject.batch))


def test_a_bare_tensor_in_a_closure_that_clears_the_gradient_within() -> None:
    """Its gradient is read before there is any, which writes to nothing."""
    weights = torch.tensor([1.0, 2.0], dtype=torch.double, requires_grad=True)
    x, y = torch.arange(8, dtype=torch.double), torch.arange(8, dtype=torch.double) * 3
    optimizer = torch.optim.LBFGS([weights])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = ((weights[0] + weights[1] * x - y) ** 2).mean()
        loss.backward()
        return loss

    subject = captured(lambda: optimizer.step(closure))
    assert probe_gradient(subject, time_limit=1.0).numbers["error"] < 1e-6


def test_an_optimizer_that_steps_without_gradients() -> None:
    """As sharpness-aware minimisation does: its second step is one of the optimizer within."""
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def train() -> None:
        F.cross_entropy(model(x), y).backward()
        with torch.no_grad():
            optimizer.step()

    def found(subject: Subject) -> None:
        grads.append(torch.is_grad_enabled())
        raise Stop

    grads: list[bool] = []
    capture_by(found, train)
    assert grads == [True]


@pytest.mark.parametrize("solved", [True, False])
def test_whether_inputs_reach_the_model_by_way_of_other_functions(solved: bool) -> None:
    """A state, to which a solver adds what the model gives for it."""
    torch.manual_seed(0)
    model = nn.Linear(2, 2)
    begin, end = torch.randn(8, 2), torch.randn(8, 2)

    def train() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        state = begin + 0.1 * model(begin) if solved else model(begin)
        (model(state) - (end if solved else begin)).square().mean().backward()
        optimizer.step()

    assert captured(train).entangled is solved


def test_gradients_on_their_own_for_updates_by_hand() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))

    def by_hand() -> None:
        torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters()))

    assert loss_of(captured(by_hand)) == pytest.approx(F.cross_entropy(model(x), y).item())


def test_a_state_that_the_script_sets_anew_before_each_step() -> None:
    """A recurrent model that keeps its state, with the graph of the step that made it."""

    class Keeping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = nn.LSTM(1, 5), nn.Linear(5, 1)
            self.state = (torch.zeros(1, 1, 5), torch.zeros(1, 1, 5))

        def forward(self, x: Tensor) -> Tensor:
            out, self.state = self.cell(x.view(len(x), 1, -1), self.state)
            return self.head(out[-1, 0])

    torch.manual_seed(0)
    model = Keeping()
    x, y = torch.randn(7), torch.randn(1)

    def train() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            model.state = (torch.zeros(1, 1, 5), torch.ones(1, 1, 5))
            F.mse_loss(model(x), y).backward()
            optimizer.step()

    subject = captured(train)
    with isolated(subject.model) as twin:
        for _ in range(2):
            loss = subject.loss(twin, subject.batch)
            loss.backward()
    out, _ = model.cell(x.view(7, 1, 1), (torch.zeros(1, 1, 5), torch.ones(1, 1, 5)))
    assert loss.item() == pytest.approx(F.mse_loss(model.head(out[-1, 0]), y).item())


@pytest.mark.parametrize("how", ["no_grad", "detach", "in place", "data"])
def test_whether_a_model_makes_the_targets(how: str) -> None:
    """The value of a state is to be what comes after it, as another network or the same one says."""
    torch.manual_seed(0)
    model, other = nn.Linear(4, 2), nn.Linear(4, 2)
    states, after, reward = torch.randn(8, 4), torch.randn(8, 4), torch.randn(8)

    def train() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        wanted = torch.zeros(8)
        if how == "no_grad":
            with torch.no_grad():
                wanted = other(after).max(1)[0]
            wanted = reward + 0.9 * wanted
        elif how == "detach":
            wanted = reward + 0.9 * model(after).max(1)[0].detach()
        elif how == "in place":
            with torch.no_grad():
                for number in range(8):
                    wanted[number] = other(after[number]).max()
            wanted = wanted[torch.arange(8)]
        F.mse_loss(wanted, model(states)[:, 0]).backward()
        optimizer.step()

    assert captured(train).taught is (how != "data")


def test_evaluation_before_training_is_passed_over() -> None:
    model = nn.Linear(4, 3)
    x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def train() -> None:
        with torch.no_grad():
            model(x[:2])
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    assert captured(train).batch.size == 8


@pytest.mark.parametrize("clears", ["before the attack", "after it"])
def test_the_step_of_a_training_on_attacked_examples_is_that_of_its_own_loss(clears: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    x, y, made = torch.randn(16, 4), torch.randint(0, 3, (16,)), []
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def train() -> None:
        change = torch.zeros_like(x).uniform_(-0.1, 0.1).requires_grad_()
        for _ in range(3):
            if clears == "before the attack":
                optimizer.zero_grad()
            F.cross_entropy(model(x + change), y).backward()
            change.data = (change + 0.1 * change.grad.sign()).clamp(-0.5, 0.5)  # type: ignore[union-attr]
        change = change.detach()
        made.append(x + change)
        loss = F.cross_entropy(model(x + change), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    subject = captured(train)
    assert subject.model is model
    assert torch.equal(subject.batch.inputs[0], made[0])
    assert loss_of(subject) == pytest.approx(F.cross_entropy(model(made[0]), y).item())


def test_examples_that_are_made_by_the_model_while_it_is_frozen_are_data() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    x = torch.randn(16, 4)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def train() -> None:
        model.requires_grad_(False)
        made = torch.randn(16, 4).requires_grad_()
        for _ in range(5):
            model(made).sum().backward()
            made.data.add_(made.grad + 0.1 * torch.randn(16, 4))
            made.grad = None
        model.requires_grad_(True)
        energies = model(torch.cat([x, made]))
        (energies[16:].mean() - energies[:16].mean()).backward()
        optimizer.step()

    subject = captured(train)
    assert subject.batch.inputs[0].shape == (32, 4)
    assert [name for name, _ in subject.model.named_parameters() if "linear" in name.lower() or "." in name]
    assert {id(item) for item in subject.model.parameters()} == {id(item) for item in model.parameters()}


def test_of_losses_whose_gradients_add_up_the_first_is_taken() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    x, y = torch.randn(16, 4), torch.randint(0, 3, (16,))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def train() -> None:
        for part in range(0, 16, 4):
            F.cross_entropy(model(x[part : part + 4]), y[part : part + 4]).backward()
        optimizer.step()

    assert torch.equal(captured(train).batch.inputs[0], x[:4])


def test_a_model_of_bare_tensors() -> None:
    torch.manual_seed(0)
    first, last = torch.randn(4, 8, requires_grad=True), torch.zeros(3, 8).requires_grad_()
    x, y = torch.randn(16, 4), torch.randint(0, 3, (16,))

    def train() -> None:
        loss = F.cross_entropy(F.linear(torch.tanh(x @ first), last), y)
        for weight, gradient in zip((first, last), torch.autograd.grad(loss, [first, last]), strict=True):
            weight.data -= gradient

    subject = captured(train)
    assert [id(item) for item in subject.model.parameters()] == [id(first), id(last)]
    assert torch.equal(subject.batch.inputs[0], x)
    assert torch.equal(subject.batch.targets[0], y)
    assert loss_of(subject) == pytest.approx(torch.tensor(3.0).log().item())
    with isolated(subject.model) as twin:
        assert torch.equal(subject.output(twin, subject.batch), torch.zeros(16, 3))


def test_the_data_that_a_batch_was_taken_from_are_found() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    x, y = torch.randn(200, 2, 2), torch.randint(0, 3, (200,))
    x[77, 0, 0], y[123] = float("nan"), 5
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def train() -> None:
        rows = torch.arange(8, 40)
        F.cross_entropy(model(x[rows].flatten(1)), y[rows]).backward()
        optimizer.step()
        assert len(x) == len(y)

    subject = captured(train)
    assert {batch.size for batch in subject.others} == {32}
    seen = torch.cat([batch.targets[0] for batch in subject.others])
    assert len(seen) == 15 * 32
    assert subject.extreme is not None
    assert subject.extreme.inputs[0].isnan().any()
    assert int(subject.extreme.targets[0].max()) == 5


def test_data_held_beside_those_drawn_anew_are_found() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def held_beside(*also: Tensor) -> Subject:
        def train() -> None:
            x_val, y_val = torch.randn(50, 4), torch.arange(50)  # the order tells the rows
            kept = also  # noqa: F841 - found among the variables
            x, y = torch.randn(16, 4), torch.randint(0, 3, (16,))
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            assert x_val is not y_val

        return captured(train)

    batches = held_beside().held
    assert [batch.size for batch in batches] == [16, 16, 16]
    rows = torch.cat([batch.targets[0] for batch in batches]).tolist()
    assert rows[0] == 0
    assert rows[-1] == 49
    assert len(set(rows)) == 48
    assert held_beside(torch.zeros(50, 7), torch.zeros(60, 4)).held  # of other shapes, or without targets
    assert held_beside(torch.zeros(50).long()).held == ()  # either may be the targets


def test_a_loss_without_any_model_is_refused() -> None:
    from babysit.preflight.recorded import subject_of

    with pytest.raises(InputError, match="a model that leads to it"):
        subject_of([], torch.zeros(()), None)


def test_the_initialisation_of_weights_is_no_part_of_the_step() -> None:
    x, y = torch.randn(16, 4), torch.randn(16, 1)

    def train() -> None:
        model = nn.Linear(4, 1)
        optimizer = torch.optim.LBFGS(model.parameters())

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), y) + sum(item.pow(2).sum() for item in model.parameters())
            loss.backward()
            return loss

        optimizer.step(closure)

    subject = captured(train)
    with isolated(subject.model) as model, torch.no_grad():
        for item in model.parameters():
            item.fill_(2.0)
        expected = (x.sum(dim=1, keepdim=True) * 2 + 2 - y).square().mean() + 5 * 4
    with isolated(model) as same:
        assert subject.loss(same, subject.batch).item() == pytest.approx(float(expected), rel=1e-5)
