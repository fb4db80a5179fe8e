from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from babysit.preflight.batch import Batch
from babysit.preflight.gradient import probe_gradient
from babysit.preflight.subject import Subject, call


def subject(model: nn.Module, inputs: Any, targets: Tensor, loss: Any = F.cross_entropy, **more: Any) -> Subject:
    return Subject(model, Batch(inputs, targets, len(targets)), call, lambda m, b: loss(call(m, b), b.targets), **more)


def images(count: int = 8) -> Tensor:
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(3))


def classes(count: int = 8) -> Tensor:
    return torch.arange(count) % 3


class Planted(torch.autograd.Function):
    """Adds a bias; the gradient of one of its entries is wrong by a factor."""

    place, factor = 5, 1.01

    @staticmethod
    def forward(_ctx: Any, inputs: Tensor, bias: Tensor) -> Tensor:
        return inputs.detach() + bias.detach()

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        wrong = gradient.sum(dim=0)
        wrong[Planted.place] *= Planted.factor
        return gradient, wrong


add_bias = Planted.apply


class OwnLayer(nn.Module):
    """A network whose hidden bias is added by :class:`Planted`."""

    def __init__(self, width: int = 20) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(10, width, bias=False), nn.Linear(width, 3)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(torch.tanh(add_bias(self.first(inputs), self.bias)))


def own(width: int = 20) -> Subject:
    torch.manual_seed(0)
    return subject(OwnLayer(width), torch.randn(8, 10), classes())


@pytest.mark.parametrize(("width", "place"), [(10, 5), (20, 5), (64, 63), (1000, 500)])
def test_an_error_of_one_per_cent_in_one_entry_of_a_bias_is_found(
    width: int, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Planted, "place", place)
    probe = probe_gradient(own(width))
    assert (probe.texts["parameter"], probe.texts["index"]) == ("bias", f"[{place}]")
    assert probe.numbers["error"] == pytest.approx(0.01 / 1.01, rel=1e-3)
    assert probe.numbers["autograd"] == pytest.approx(1.01 * probe.numbers["difference"], rel=1e-4)


def test_a_wrong_sign_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Planted, "factor", -1.0)
    probe = probe_gradient(own())
    assert probe.texts["parameter"] == "bias"
    assert probe.numbers["error"] == pytest.approx(2.0, rel=1e-4)


def test_the_right_backward_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Planted, "factor", 1.0)
    probe = probe_gradient(own())
    assert probe.numbers["error"] < 1e-5
    assert probe.numbers["parameters"] == probe.numbers["trainable"] == 4.0


def test_a_wrong_matrix_gradient_is_found_in_one_entry_of_many() -> None:
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, inputs: Tensor, weight: Tensor) -> Tensor:
            ctx.save_for_backward(inputs, weight)
            return inputs @ weight.T

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
            inputs, weight = ctx.saved_tensors
            wrong = gradient.T @ inputs
            wrong[7, 3] *= 1.05
            return gradient @ weight, wrong

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.last = nn.Parameter(torch.randn(50, 10) / 3), nn.Linear(50, 3)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.last(Product.apply(inputs, self.weight).tanh())

    torch.manual_seed(1)
    probe = probe_gradient(subject(Own(), torch.randn(8, 10), classes()))
    assert (probe.texts["parameter"], probe.texts["index"]) == ("weight", "[7, 3]")
    assert probe.numbers["error"] == pytest.approx(0.05 / 1.05, rel=1e-2)


def test_both_derivatives_are_numpy_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Planted, "factor", 3.0)
    found = own()
    first, bias, weight, last_bias = (
        np.asarray(item.detach(), dtype=np.float64)
        for item in (found.model.first.weight, found.model.bias, found.model.last.weight, found.model.last.bias)
    )
    x, y = found.batch.inputs.double().numpy(), found.batch.targets.numpy()
    hidden = np.tanh(x @ first.T + bias)
    logits = hidden @ weight.T + last_bias
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wanted = (((shares - np.eye(3)[y]) / len(y)) @ weight * (1 - hidden**2)).sum(axis=0)[Planted.place]
    probe = probe_gradient(found)
    assert probe.numbers["difference"] == pytest.approx(wanted, rel=1e-7)
    assert probe.numbers["autograd"] == pytest.approx(3 * wanted, rel=1e-12)


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.2, -1.0, 0.0])
def test_torch_s_own_check_agrees(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Planted, "factor", factor)
    found = own()
    model, batch = OwnLayer().double(), found.batch.to(torch.float64)
    model.load_state_dict(found.model.state_dict())
    names = [name for name, _ in model.named_parameters()]

    def loss(*values: Tensor) -> Tensor:
        outputs = torch.func.functional_call(model, dict(zip(names, values, strict=True)), (batch.inputs,))
        return F.cross_entropy(outputs, batch.targets)

    right = torch.autograd.gradcheck(loss, tuple(model.parameters()), raise_exception=False, rtol=1e-3, atol=1e-7)
    assert right == (probe_gradient(found).numbers["error"] < 1e-3) == (factor == 1.0)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.gru, self.last = nn.Embedding(30, 6), nn.GRU(6, 9, batch_first=True), nn.Linear(9, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        start = torch.zeros(1, len(tokens), 9)
        return self.last(self.gru(self.embedding(tokens), start)[0][:, -1])


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.last = nn.Embedding(30, 16), nn.Linear(16, 3)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, activation="gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.last(self.layers(self.embedding(tokens)).mean(dim=1))


class Tricks(nn.Module):
    """A codebook with a straight-through estimator, a detached target, and statistics that follow the activations."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(10, 4), nn.Linear(4, 3)
        self.codes = nn.Parameter(torch.randn(6, 4))
        self.register_buffer("average", torch.zeros(4))

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs)
        nearest = self.codes[torch.cdist(hidden, self.codes).argmin(dim=1)]
        with torch.no_grad():
            self.average.mul_(0.9).add_(0.1 * hidden.mean(dim=0))
        passed = hidden + (nearest - hidden).detach()
        scale = hidden.norm().item()
        own = (nearest - hidden.detach()).square().mean() + (hidden - self.average).square().mean() / scale
        return self.last(passed) + own


class Choice(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return F.gumbel_softmax(inputs, 0.7, hard=True)


class Penalised(nn.Module):
    """A critic whose loss holds a gradient of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.critic = nn.Sequential(nn.Linear(10, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = inputs.detach().clone().requires_grad_()
        outputs = self.critic(inputs)
        (gradient,) = torch.autograd.grad(outputs.sum(), inputs, create_graph=True)
        return outputs.mean() + 10 * (gradient.norm(dim=1) - 1).square().mean()


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 10))
        self.head = nn.Linear(10, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(checkpoint(self.body, inputs.requires_grad_(), use_reentrant=True))


class Sines(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(torch.sin(30 * self.second(torch.sin(30 * self.first(inputs)))))


def advantage(outputs: Tensor, _targets: Tensor) -> Tensor:
    value = outputs[:, 0]
    gain = (1 - value).detach()
    return -(F.log_softmax(outputs[:, 1:], dim=1)[:, 0] * gain / gain.std()).mean() + (1 - value).abs().mean()


def tokens() -> Tensor:
    return torch.randint(0, 30, (8, 7), generator=torch.Generator().manual_seed(1))


HEALTHY: dict[str, Callable[[], Subject]] = {
    "mlp": lambda: subject(
        nn.Sequential(nn.Linear(10, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 3)),
        torch.randn(8, 10),
        classes(),
    ),
    "cnn": lambda: subject(
        nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32, 3),
        ),
        images(),
        classes(),
    ),
    "transformer": lambda: subject(Transformer(), tokens(), classes()),
    "gru": lambda: subject(Recurrent(), tokens(), classes()),
    "batch norm": lambda: subject(
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)),
        images(),
        classes(),
    ),
    "dropout": lambda: subject(
        nn.Sequential(nn.Linear(10, 50), nn.Dropout(0.5), nn.Tanh(), nn.Linear(50, 3)), torch.randn(8, 10), classes()
    ),
    "hard clamps": lambda: subject(
        nn.Sequential(nn.Linear(10, 50), nn.Hardtanh(), nn.Linear(50, 3), nn.ReLU6()), torch.randn(8, 10), classes()
    ),
    "zero biases and blank inputs": lambda: subject(blank(), torch.zeros(8, 10), classes()),
    "absolute error": lambda: subject(
        nn.Sequential(nn.Linear(10, 50), nn.SiLU(), nn.Linear(50, 1)), torch.randn(8, 10), torch.randn(8, 1), F.l1_loss
    ),
    "unscaled inputs": lambda: subject(
        nn.Sequential(nn.Linear(10, 50), nn.Tanh(), nn.Linear(50, 3)), 255 * torch.rand(8, 10), classes()
    ),
    "summed loss": lambda: subject(
        nn.Linear(10, 1), torch.randn(8, 10), torch.randn(8, 1) * 1e3, lambda a, b: F.mse_loss(a, b, reduction="sum")
    ),
    "stop-gradients": lambda: subject(Tricks(), torch.randn(8, 10), classes()),
    "straight-through Gumbel softmax": lambda: subject(
        nn.Sequential(nn.Linear(10, 8), Choice(), nn.Linear(8, 3)), torch.randn(8, 10), classes()
    ),
    "class weights in single precision": lambda: subject(
        nn.Linear(10, 3), torch.randn(8, 10), classes(), nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]))
    ),
    "actor and critic": lambda: subject(nn.Linear(10, 3), torch.randn(8, 10), classes(), advantage),
    "gradient penalty": lambda: subject(Penalised(), torch.randn(8, 10), classes(), lambda a, _: a),
    "checkpointed": lambda: subject(Checkpointed(), torch.randn(8, 10), classes()),
    "sines": lambda: subject(Sines(), torch.rand(8, 2), torch.randn(8, 1), F.mse_loss),
    "weight norm": lambda: subject(
        nn.utils.parametrizations.weight_norm(nn.Linear(10, 3)), torch.randn(8, 10), classes()
    ),
    "spectral norm": lambda: subject(
        nn.utils.parametrizations.spectral_norm(nn.Linear(10, 3)), torch.randn(8, 10), classes()
    ),
    "sparse": lambda: subject(
        nn.Sequential(nn.Embedding(30, 3, sparse=True), nn.Flatten(), nn.Linear(21, 3)), tokens(), classes()
    ),
}


def blank() -> nn.Module:
    model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 3))
    nn.init.zeros_(model[0].bias)  # type: ignore[arg-type]
    return model


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_models_pass(name: str) -> None:
    torch.manual_seed(2)
    found = HEALTHY[name]()
    probe = probe_gradient(found)
    assert "reason" not in probe.texts
    assert probe.numbers["error"] < 1e-4, probe
    assert probe.numbers["entries"] > 0
    assert probe.numbers["seconds"] < 20


class Cast(nn.Module):
    """Changes the precision of its activations on the way."""

    def __init__(self, dtype: torch.dtype, back: bool) -> None:
        super().__init__()
        self.first, self.last, self.dtype, self.back = nn.Linear(10, 8), nn.Linear(8, 3), dtype, back

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs).to(self.dtype)
        return self.last(hidden.to(self.last.weight.dtype) if self.back else hidden)


class Kernel(torch.autograd.Function):
    """Takes single precision, as kernels of one's own do; ``strict`` refuses any other."""

    strict = True

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        if Kernel.strict and inputs.dtype != torch.float32:
            raise TypeError("kernel: float32 only\nand more")
        ctx.save_for_backward(inputs)
        return inputs.detach().float().square().to(inputs.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * gradient


class Counting(nn.Module):
    """Not the same function twice."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.calls = nn.Linear(10, 3), 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        return self.linear(inputs) * self.calls


def nothing_known(model: nn.Module, loss: Any = F.cross_entropy) -> Subject:
    return subject(model, torch.randn(8, 10), classes(), loss)


def kernel(model: nn.Module, strict: bool) -> Subject:
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        Kernel.strict = strict
        return F.cross_entropy(Kernel.apply(outputs), targets)

    return nothing_known(model, loss)


UNKNOWN: dict[str, tuple[Callable[[], Subject], str]] = {
    "single precision inside": (lambda: nothing_known(Cast(torch.float32, True)), "lower precision"),
    "half precision inside": (lambda: nothing_known(Cast(torch.float16, True)), "lower precision"),
    "single precision from there on": (lambda: nothing_known(Cast(torch.float32, False)), "double precision: "),
    "float32-only kernel": (lambda: kernel(nn.Linear(10, 3), True), "Error: kernel: float32 only"),
    "kernel that rounds": (lambda: kernel(nn.Linear(10, 3), False), "lower precision"),
    "single-precision loss": (
        lambda: nothing_known(nn.Linear(10, 3), lambda a, b: F.cross_entropy(a.float(), b)),
        "lower precision",
    ),
    "not the same twice": (lambda: nothing_known(Counting()), "not the same twice"),
    "nothing trainable": (lambda: nothing_known(nn.Linear(10, 3).requires_grad_(False)), "no gradient"),
    "not finite": (lambda: nothing_known(nn.Linear(10, 3), lambda a, _: a.sum() * float("nan")), "not finite"),
    "infinite gradient": (lambda: nothing_known(nn.Linear(10, 3), lambda a, _: (a - a).sqrt().sum()), "not finite"),
    "not a scalar": (lambda: nothing_known(nn.Linear(10, 3), lambda a, _: a), "double precision"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_model_that_cannot_be_checked_says_why(name: str) -> None:
    torch.manual_seed(0)
    build, reason = UNKNOWN[name]
    probe = probe_gradient(build())
    assert not probe.numbers
    assert reason in probe.texts["reason"]
    assert "\n" not in probe.texts["reason"]
    assert torch.get_default_dtype() == torch.float32


def test_a_model_in_half_precision_is_checked_in_double_precision() -> None:
    model = nn.Sequential(nn.Linear(10, 8), nn.Tanh(), nn.Linear(8, 3)).bfloat16()
    probe = probe_gradient(nothing_known(model, lambda a, b: F.cross_entropy(a, b)))
    assert "reason" not in probe.texts or "double" in probe.texts["reason"]


def everything(model: nn.Module) -> dict[str, Any]:
    found = {f"value of {name}": item.clone() for name, item in model.state_dict().items()}
    found |= {
        f"gradient of {name}": item.grad.clone() for name, item in model.named_parameters() if item.grad is not None
    }
    found |= {f"mode of {name}": torch.tensor(module.training) for name, module in model.named_modules()}
    return found


@pytest.mark.parametrize("evaluating", [False, True])
def test_nothing_of_the_user_s_is_changed(evaluating: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    model.train(not evaluating)
    found = nothing_known(model, lambda a, b: F.cross_entropy(a * (1 + random.random() + np.random.rand()), b))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    found = Subject(model, found.batch, call, found.loss, optimizer)
    found.loss(model, found.batch).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    before, state = everything(model), str(optimizer.state_dict())
    inputs = found.batch.inputs.clone()
    others = (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
    probe = probe_gradient(found)
    assert probe.numbers["error"] < 1e-4
    after = everything(model)
    assert before.keys() == after.keys()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    assert str(optimizer.state_dict()) == state
    assert torch.equal(found.batch.inputs, inputs)
    assert others == (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
    assert torch.get_default_dtype() == torch.float32


def test_the_numbers_are_the_same_whatever_was_drawn_before() -> None:
    torch.manual_seed(2)
    found = HEALTHY["dropout"]()
    first = probe_gradient(found)
    torch.manual_seed(99)
    second = probe_gradient(found)
    assert {**first.numbers, "seconds": 0.0} == {**second.numbers, "seconds": 0.0}
    assert (first.texts, first.series) == (second.texts, second.series)


OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "lbfgs": lambda model: torch.optim.LBFGS(model.parameters()),
    "adamw": lambda model: torch.optim.AdamW(model.parameters()),
    "part of the parameters": lambda model: torch.optim.SGD([next(model.parameters())], lr=0.1),
    "another model's": lambda _: torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1),
    "exploding": lambda model: torch.optim.SGD(model.parameters(), lr=1e30),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_any_optimizer_will_do(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 8), nn.Tanh(), nn.Linear(8, 3))
    found = nothing_known(model)
    probe = probe_gradient(Subject(model, found.batch, call, found.loss, OPTIMIZERS[name](model)))
    assert probe.numbers["error"] < 1e-4
    assert probe.numbers["parameters"] == 4.0


def test_a_fault_that_shows_only_after_a_few_steps_is_found() -> None:
    class Late(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, values: Tensor) -> Tensor:
            ctx.save_for_backward(values)
            return values.detach() * 1.0

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return gradient * torch.where(ctx.saved_tensors[0] == 0, 1.0, 0.5)

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.scale = nn.Linear(10, 3), nn.Parameter(torch.zeros(3))

        def forward(self, inputs: Tensor) -> Tensor:
            return self.linear(inputs) + Late.apply(self.scale)

    torch.manual_seed(0)
    probe = probe_gradient(nothing_known(Own()))
    assert (probe.texts["parameter"], probe.texts["when"]) == ("scale", "after 10 steps")
    assert probe.numbers["error"] == pytest.approx(0.5, rel=1e-3)


def test_it_ends_in_time_and_says_so() -> None:
    torch.manual_seed(0)
    found = subject(nn.Sequential(*[nn.Linear(10, 10) for _ in range(200)]), torch.randn(8, 10), classes())
    probe = probe_gradient(found, time_limit=0.5)
    assert probe.texts["gave_up"] == "after 0.5 s"
    assert 0 < probe.numbers["parameters"] < probe.numbers["trainable"] == 400.0
    assert probe.numbers["seconds"] < 10


def test_recorded_from_a_script_only_the_full_size_will_do() -> None:
    def loss(model: nn.Module, batch: Batch) -> Tensor:
        assert batch.size == 20
        return F.cross_entropy(model(batch.inputs), batch.targets)

    torch.manual_seed(0)
    found = Subject(nn.Linear(10, 3), Batch(torch.randn(20, 10), classes(20), 20), call, loss, fixed_size=True)
    assert probe_gradient(found).numbers["error"] < 1e-6


def test_it_can_be_interrupted() -> None:
    def loss(_outputs: Tensor, _targets: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probe_gradient(nothing_known(nn.Linear(10, 3), loss))
    assert torch.get_default_dtype() == torch.float32


class Padded(nn.Module):
    """Reads sequences to their last position, which is mostly padding; that row of the embedding is never trained."""

    def __init__(self, *, tied: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(6, 4, padding_idx=5)
        nn.init.normal_(self.embed.weight)
        self.read, self.head = nn.GRU(4, 4, batch_first=True), nn.Linear(4, 6)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.read(self.embed(words))[1][0])


@pytest.mark.parametrize("tied", [False, True])
def test_the_row_of_an_embedding_for_padding_is_left_out(tied: bool) -> None:
    torch.manual_seed(0)
    words = torch.randint(5, (8, 2)).index_fill_(1, torch.tensor([1]), 5)
    probe = probe_gradient(subject(Padded(tied=tied), words, classes()), entries=2)
    assert probe.numbers["error"] < 1e-5
    assert "embed.weight" in probe.texts["names"].split()


def test_a_loss_of_zero_without_a_slope() -> None:
    """As of a batch of which nothing counts: there is no scale that a difference could be held against."""
    batch = Batch(torch.randn(8, 4), torch.zeros(8, 3), 8)
    subject = Subject(nn.Linear(4, 3), batch, call, lambda model, given: (0.0 * call(model, given)).sum())
    assert probe_gradient(subject, time_limit=1.0).numbers["error"] == 0.0
