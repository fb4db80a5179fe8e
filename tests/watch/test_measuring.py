"""What is measured of a step, against NumPy in float64 and against torch itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.measure.record import Forward
from babysit.watch.activations import ActivationSample, Alive, sample_of
from babysit.watch.batches import (
    SeenExamples,
    available_beside,
    fingerprints,
    measure_inputs,
    modes_of,
    normalised_values,
    resolve,
)
from babysit.watch.calls import Call, counts_entropy, measure_call
from babysit.watch.facts import Facts, observe
from babysit.watch.gather import Gather
from babysit.watch.names import Names
from babysit.watch.numbers import put_numbers
from babysit.watch.parameters import UpdateSample, coverage, largest_gradient, looks_initial


def call(name: str, outputs: Tensor, targets: Tensor, **options: object) -> Call:
    result = getattr(F, name)(outputs, targets, **options)
    return Call(name, outputs, targets, options, result)


@given(st.lists(st.floats(-1e3, 1e3) | st.sampled_from([math.nan, math.inf, -math.inf]), min_size=1, max_size=50))
def test_numbers_are_those_of_the_finite_values(values: list[float]) -> None:
    gather = Gather()
    read = put_numbers(torch.tensor(values, dtype=torch.float64), gather)
    gather.read()
    numbers = read()
    finite = np.array([value for value in values if math.isfinite(value)])
    assert numbers.nonfinite == pytest.approx(1 - len(finite) / len(values))
    if len(finite):
        assert numbers.mean == pytest.approx(finite.mean(), abs=1e-9)
        assert numbers.std == pytest.approx(finite.std(), abs=1e-6)
        assert (numbers.low, numbers.high) == (finite.min(), finite.max())


def test_a_gather_can_be_read_more_than_once() -> None:
    gather = Gather()
    first = gather.put(torch.tensor([1.0, 2.0]))
    gather.read()
    second = gather.put_integers(torch.tensor([2**62 + 1]))
    gather.read()
    assert first().tolist() == [1.0, 2.0]
    assert second().view(np.int64).tolist() == [2**62 + 1]


@pytest.mark.parametrize("shape", [(64, 10), (8, 300), (128, 16, 14, 14), (4, 20, 32), (5,), (1, 1)])
def test_samples_have_the_mean_and_spread_of_the_whole(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    output = 3 * torch.randn(shape) + 1
    for laid_out in (output, output.transpose(0, -1).contiguous().transpose(0, -1)):
        sample = sample_of(laid_out)
        assert sample.numel() <= max(512, output[0].numel() if output.dim() else 1)
        error = 4 * 3 / math.sqrt(sample.numel())
        assert float(sample.mean()) == pytest.approx(float(output.mean()), abs=error)


def test_layer_statistics_of_what_fits_in_a_sample_are_exact() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(32, 16)
    out = torch.relu(hidden)
    out[:, 3] = 0.0
    sample, gather = ActivationSample({}), Gather()
    sample.add("fc", "Linear", hidden)
    sample.add("act", "ReLU", (out, None))
    sample.add("act", "ReLU", out + 1)
    sample.add("tanh", "Tanh", torch.tensor([[-1.0, 1.0], [0.5, 0.0]]))
    read = sample.reduce(gather)
    gather.read()
    layers = {layer.module: layer for layer in read({})}
    wanted = hidden.double().numpy()
    assert list(layers) == ["fc", "act", "act#2", "tanh"]
    assert layers["fc"].mean == pytest.approx(wanted.mean(), abs=1e-6)
    assert layers["fc"].std == pytest.approx(wanted.std(), rel=1e-5)
    assert layers["fc"].example_std == pytest.approx(math.sqrt(wanted.var(axis=0).mean()), rel=1e-5)
    assert layers["fc"].quantiles is not None
    assert layers["fc"].quantiles[0] == pytest.approx(wanted.min())
    assert layers["fc"].quantiles[-1] == pytest.approx(wanted.max())
    assert layers["act"].zero_fraction == pytest.approx(float((out == 0).float().mean()))
    assert layers["act"].dead_fraction == pytest.approx(1 / 16)
    assert layers["tanh"].saturated_fraction == pytest.approx(0.5)
    assert layers["fc"].zero_fraction is None


def test_outputs_that_are_not_finite_are_counted_without_a_warning() -> None:
    sample, gather = ActivationSample({}), Gather()
    sample.add("fc", "Linear", torch.tensor([[math.inf, -math.inf], [1.0, 3.0]]))
    read = sample.reduce(gather)
    gather.read()
    (layer,) = read({})
    assert (layer.mean, layer.nonfinite_fraction) == (1.0, 0.5)


def test_a_unit_is_dead_only_over_all_recorded_batches() -> None:
    alive: dict[str, Alive] = {}
    dead = []
    for number in range(3):
        out = torch.zeros(4, 4)
        out[0, number] = 1.0
        sample, gather = ActivationSample(alive), Gather()
        sample.add("act", "ReLU", out)
        read = sample.reduce(gather)
        gather.read()
        dead.append(read({})[0].dead_fraction)
    assert dead == [0.75, 0.5, 0.25]


def test_maps_are_units_after_a_convolution_and_last_features_after_a_linear_layer() -> None:
    for kind, shape, units in (("Conv1d", (2, 5, 7), 5), ("Linear", (2, 5, 7), 7)):
        alive: dict[str, Alive] = {}
        sample, gather = ActivationSample(alive), Gather()
        sample.add("before", kind, torch.randn(shape))
        sample.add("act", "ReLU", torch.ones(shape))
        read = sample.reduce(gather)
        gather.read()
        read({})
        assert alive["act"].shape == (1, units)


@pytest.mark.parametrize(
    ("optimizer", "coupled"),
    [(torch.optim.SGD, True), (torch.optim.AdamW, False)],
)
def test_updates_are_after_minus_before(optimizer: type[torch.optim.Optimizer], coupled: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 2))
    training = optimizer(model.parameters(), lr=0.1, weight_decay=0.5)  # type: ignore[call-arg]
    model(torch.randn(16, 5)).square().mean().backward()
    before = {name: item.detach().clone().double() for name, item in model.named_parameters()}
    gradients = {name: item.grad.double() for name, item in model.named_parameters() if item.grad is not None}
    names, gather, sample = Names(), Gather(), UpdateSample()
    names.add(model)
    sample.begin(training.param_groups, type(training).__name__)
    training.step()
    sample.end()
    read = sample.reduce(names, gather)
    gather.read()
    moved = read()
    layers = moved.layers
    assert moved.gradient_norm == pytest.approx(math.sqrt(sum(float(g.square().sum()) for g in gradients.values())))
    update = torch.cat([(item.detach().double() - before[name]).flatten() for name, item in model.named_parameters()])
    gradient = torch.cat([gradients[name].flatten() for name in before])
    assert moved.descent == pytest.approx(-float(torch.cosine_similarity(update, gradient, dim=0)), rel=1e-4)
    assert list(layers) == ["0", "2"]
    for path, layer in layers.items():
        weight = f"{path}.weight"
        after = dict(model.named_parameters())[weight].detach().double()
        assert layer.weight_norm == pytest.approx(float(before[weight].norm()), rel=1e-6)
        assert layer.gradient_norm == pytest.approx(float(gradients[weight].norm()), rel=1e-6)
        assert layer.update_norm == pytest.approx(float((after - before[weight]).norm()), rel=1e-5)
        pull = 0.5 * float(before[weight].norm()) * (1.0 if coupled else 0.1)
        assert layer.decay_norm == pytest.approx(pull, rel=1e-5)


def test_large_parameters_are_sampled() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(1000, 700))
    names, gather, sample = Names(), Gather(), UpdateSample()
    sample.begin([{"params": [weight], "lr": 0.1}], "SGD")
    change = 0.01 * torch.randn(1000, 700)
    with torch.no_grad():
        weight += change
    sample.end()
    read = sample.reduce(names, gather)
    gather.read()
    (layer,) = read().layers.values()
    assert layer.update_norm == pytest.approx(float(change.norm()), rel=0.02)


def test_initial_weights_are_told_from_trained_ones() -> None:
    torch.manual_seed(0)
    assert looks_initial(nn.Linear(64, 64).weight)
    assert looks_initial(nn.Conv2d(8, 16, 3).weight)
    assert not looks_initial(nn.init.kaiming_normal_(torch.empty(64, 64)))
    assert not looks_initial(nn.Embedding(64, 64).weight)
    trained = nn.Linear(64, 64).weight.detach() + 0.02 * torch.randn(64, 64)
    assert not looks_initial(trained)


def test_coverage_names_what_a_step_does_not_reach() -> None:
    torch.manual_seed(0)
    model = nn.ModuleDict({name: nn.Linear(20, 20) for name in ("used", "cut", "unused", "left_out", "frozen")})
    model["frozen"].requires_grad_(False)
    x = model["frozen"](torch.randn(4, 20))
    with torch.no_grad():
        x = model["cut"](x)
    model["left_out"](model["used"](x)).sum().backward()
    names = Names()
    names.add(model)
    optimized = [item for name in ("used", "cut", "unused") for item in model[name].parameters()]
    seen = coverage(3, names, optimized, {"used", "cut", "left_out", "frozen"})
    assert seen.trained == ("used",)
    assert seen.without_gradient == ("cut", "unused")
    assert seen.uncalled == ("unused",)
    assert seen.not_optimized == ("left_out",)
    assert seen.frozen_initial == ("frozen",)
    assert seen.parameters == 3 * 420


def test_parameters_without_elements_are_not_trained_nor_missed() -> None:
    model = nn.ModuleDict({name: nn.Module() for name in ("first", "other", "fixed")})
    for name in model:
        model[name].device_of = nn.Parameter(torch.empty(0), requires_grad=name != "fixed")
    model["layer"] = nn.Linear(2, 1)
    model["layer"](torch.ones(1, 2)).sum().backward()
    model["other"].device_of.grad = torch.empty(0)
    names = Names()
    names.add(model)
    optimized = [model["first"].device_of, *model["layer"].parameters()]
    seen = coverage(3, names, optimized, {"first", "other", "fixed", "layer"})
    assert seen.trained == ("layer",)
    assert (seen.without_gradient, seen.not_optimized, seen.frozen_initial) == ((), (), ())


def measured(it: Call) -> object:
    gather = Gather()
    build = measure_call(it, gather, whole=True)
    gather.read()
    return build(7, "train")


def test_a_classification_call() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(50, 4), torch.randint(0, 4, (50,))
    targets[:5] = -100
    seen = measured(call("cross_entropy", logits, targets))
    kept = targets[5:]
    assert seen.value == pytest.approx(float(F.cross_entropy(logits, targets)))
    assert seen.counts == tuple(torch.bincount(kept, minlength=4).tolist())
    assert seen.accuracy == pytest.approx(float((logits[5:].argmax(1) == kept).float().mean()))
    assert seen.classes == 4
    assert seen.row_error == pytest.approx(float((logits.sum(1) - 1).abs().max()), rel=1e-4)
    assert seen.example_std == pytest.approx(math.sqrt(logits.double().numpy().var(axis=0).mean()), rel=1e-5)
    assert (seen.outputs.low, seen.outputs.high) == pytest.approx((float(logits.min()), float(logits.max())))
    probabilities = measured(call("cross_entropy", logits.softmax(1), targets))
    assert probabilities.row_error < 1e-6
    assert measured(call("cross_entropy", logits.log_softmax(1), targets)).log_row_error < 1e-5


def test_calls_of_other_losses() -> None:
    torch.manual_seed(0)
    maps = measured(call("cross_entropy", torch.randn(2, 3, 5, 5), torch.randint(0, 3, (2, 5, 5))))
    assert (maps.classes, sum(maps.counts)) == (3, 50)
    binary = measured(
        call("binary_cross_entropy_with_logits", torch.tensor([2.0, -1.0, 3.0]), torch.tensor([1.0, 1, 0]))
    )
    assert (binary.counts, binary.classes) == ((1, 2), 2)
    assert binary.accuracy == pytest.approx(1 / 3)
    squares = measured(call("mse_loss", torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [4.0]]), reduction="sum"))
    assert squares.value == pytest.approx(2.5)
    assert squares.accuracy is None
    assert squares.targets.mean == pytest.approx(2.0)
    broken = measured(Call("cross_entropy", torch.randn(3, 4), torch.tensor([0, 4, 2]), {}, None))
    assert math.isnan(broken.value)
    assert broken.targets.high == 4


def test_chance_level_of_each_loss() -> None:
    torch.manual_seed(0)
    targets = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    facts = learnt(call("cross_entropy", torch.randn(100, 3), targets))
    shares = np.array([0.6, 0.3, 0.1])
    assert facts.chance() == pytest.approx(-(shares * np.log(shares)).sum())
    assert (facts.task, facts.classes, facts.loss_name) == ("classification", 3, "cross_entropy")
    values = torch.randn(200, 3) * torch.tensor([1.0, 2.0, 3.0])
    facts = learnt(call("mse_loss", torch.randn(200, 3), values))
    assert facts.chance() == pytest.approx(values.double().numpy().var(axis=0).mean())
    ones = (torch.rand(200, 1) < 0.2).float()
    facts = learnt(call("binary_cross_entropy_with_logits", torch.randn(200, 1), ones))
    share = float(ones.mean())
    assert facts.chance() == pytest.approx(-(share * math.log(share) + (1 - share) * math.log(1 - share)), rel=1e-6)
    weighted = call("cross_entropy", torch.randn(100, 3), targets, weight=torch.tensor([1.0, 2.0, 6.0]))
    assert learnt(weighted).chance() is None


def learnt(it: Call, scale: float = 1.0) -> Facts:
    facts = Facts()
    assert it.result is not None
    for _ in range(4):
        facts.learn(it.name, observe(it))
        facts.relate(scale * float(it.result), [float(it.result)], [float(it.value)])
    return facts


def test_scaled_and_composite_losses() -> None:
    it = call("cross_entropy", torch.randn(100, 3), torch.arange(100) % 3)
    assert learnt(it, 0.25).chance() == pytest.approx(0.25 * math.log(3), rel=1e-3)
    value = float(it.result)  # type: ignore[arg-type]
    facts = Facts()
    assert facts.relate(value, [value], [value]) == 1
    assert facts.relate(-value, [value], [value]) == -1
    assert facts.relate(value + 1, [value], [value]) == 0
    facts.learn("cross_entropy", None)
    assert facts.loss_name == ""


@pytest.mark.parametrize(
    ("scale", "added", "drift", "name"),
    [
        (1.0, 0.02, 0.01, "mse_loss"),  # a penalty of the weights
        (0.25, 0.0, 0.0, "mse_loss"),  # a quarter of it
        (5e-4, 0.6, 0.02, ""),  # a margin loss, of which it is a part a tenth as large
    ],
)
def test_a_part_of_a_loss_that_hardly_changes_is_not_taken_for_all_of_it(
    scale: float, added: float, drift: float, name: str
) -> None:
    facts = Facts()
    for step in range(20):
        value = 120.0 if added > 0.1 else 1.0
        facts.learn("mse_loss", None)
        facts.relate(scale * value + added * (1 - drift * step / 20), [value], [value])
    assert facts.loss_name == name


@given(st.lists(st.integers(0, 50), min_size=2, max_size=9).filter(sum))
def test_entropy_against_numpy(counts: list[int]) -> None:
    shares = np.array([count for count in counts if count], dtype=float)
    shares /= shares.sum()
    assert counts_entropy(np.array(counts)) == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-12)


def test_fingerprints_tell_examples_apart_in_any_batch() -> None:
    torch.manual_seed(0)
    x = torch.randn(300, 3, 32, 32)
    codes = fingerprints(x)
    assert len(set(codes.tolist())) == 300
    order = torch.randperm(300)
    assert torch.equal(fingerprints(x[order]), codes[order])
    assert torch.equal(fingerprints(x[:7].to(memory_format=torch.channels_last)), codes[:7])
    changed = x[:1].clone()
    changed += 1e-3
    assert int(fingerprints(changed)[0]) != int(codes[0])
    tokens = torch.randint(0, 50, (20, 8))
    assert len(set(fingerprints(tokens).tolist())) == len(torch.unique(tokens, dim=0))
    zeros = torch.zeros(1, 5)
    assert torch.equal(fingerprints(zeros), fingerprints(-zeros))


def test_examples_are_recognised() -> None:
    seen = SeenExamples()
    x = torch.randn(8, 4)

    def given_to_model(batch: Tensor, phase: str) -> Forward:
        gather = Gather()
        read = measure_inputs(batch, gather)
        gather.read()
        return resolve(Forward(0, "", "Net", True, tuple(batch.shape)), seen, read(), phase)

    first = given_to_model(x, "train")
    assert (first.examples, first.distinct, first.seen, first.repeated) == (8, 8, 0, 0)
    again = given_to_model(x, "train")
    assert (again.seen, again.repeated) == (8, 8)
    mixed = given_to_model(torch.cat([x[:2], torch.randn(6, 4)]), "evaluation")
    assert (mixed.seen, mixed.repeated) == (2, 0)
    doubled = given_to_model(torch.cat([x[:1], x[:1]]), "evaluation")
    assert doubled.distinct == 1


def test_one_number_that_is_not_finite_is_found_anywhere() -> None:
    x = torch.randn(128, 1000)
    x[77, 501] = math.inf
    gather = Gather()
    read = measure_inputs(x, gather)
    gather.read()
    numbers, _ = read()
    assert numbers is not None
    assert numbers.nonfinite > 0


def test_modes_and_values() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.BatchNorm2d(2), nn.Dropout(0.0))
    modes = modes_of(model)
    assert (modes.norms, modes.norms_training, modes.norms_fresh) == (2, 2, 0)
    assert (modes.dropouts, modes.dropouts_training) == (1, 1)
    modes = modes_of(model.eval())
    assert (modes.norms_training, modes.norms_fresh, modes.dropouts_training) == (0, 2, 0)
    inside = nn.ModuleList([nn.LSTM(2, 2, 2, dropout=0.5), nn.GRU(2, 2), nn.MultiheadAttention(2, 1, dropout=0.1)])
    assert (modes_of(inside).dropouts, modes_of(inside.eval()).dropouts_training) == (2, 0)
    norm = nn.BatchNorm2d(2)
    assert normalised_values(norm, torch.ones(3, 2, 4, 5)) == 60
    assert normalised_values(norm.eval(), torch.ones(3, 2, 4, 5)) is None
    x = torch.randn(100, 3)
    assert available_beside(x[:10]) == 100
    assert available_beside(x[torch.arange(10)]) == available_beside(x) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.complex64])
def test_the_largest_gradient(dtype: torch.dtype) -> None:
    generator = np.random.default_rng(0)
    parameters = [nn.Parameter(torch.zeros(shape, dtype=dtype)) for shape in ((3, 50), (0,), (7,), ())]
    for item in parameters:
        item.grad = torch.as_tensor(generator.standard_normal(item.shape) - 1).to(dtype)
    parameters[0].grad[0, 0] = -9  # type: ignore[index]
    untouched = nn.Parameter(torch.zeros(2))
    found = largest_gradient([*parameters, untouched])
    assert found is not None
    assert float(found) == 9.0
    for broken in (float("nan"), float("-inf")):
        worse = nn.Parameter(torch.zeros(7, dtype=dtype))
        worse.grad = torch.full_like(worse, broken)
        found = largest_gradient([parameters[0], worse])
        assert found is not None
        np.testing.assert_equal(float(found), abs(broken))
    assert largest_gradient([untouched]) is None
