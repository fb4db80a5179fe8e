from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from babysit.errors import InputError
from babysit.nn import CNNConfig, MLPConfig
from babysit.preflight.target import function_named
from babysit.recipe.architecture import (
    Architecture,
    Configured,
    FromFile,
    architecture_from_json,
    choose_architecture,
)
from babysit.recipe.options import TrainOptions

GOOD = """
from torch import nn

def build(input_shape, outputs, hidden=(8,), dropout=0.0):
    layers, width = [nn.Flatten()], input_shape[0]
    for units in hidden:
        layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(dropout)]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, outputs))

class Net(nn.Module):
    def __init__(self, **everything):
        super().__init__()
        self.everything = everything
        self.layer = nn.Linear(everything["input_shape"][0], everything["outputs"])

    def forward(self, inputs):
        return self.layer(inputs)
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def into(content: str) -> Path:
        path = tmp_path / "net.py"
        path.write_text(content)
        return path

    return into


def choose(
    kind: str = "features", shape: tuple[int, ...] = (4,), examples: int = 500, outputs: int = 3, **options: Any
) -> Architecture:
    return choose_architecture(TrainOptions("digits", **options), kind, examples, shape, outputs)


def sample(*shape: int) -> Tensor:
    return torch.zeros(4, *shape)


@pytest.mark.parametrize(
    ("kind", "shape", "examples", "expected"),
    [
        ("features", (30,), 569, MLPConfig((30,), 3, hidden=(32,))),
        ("table", (30,), 5000, MLPConfig((30,), 3, hidden=(64, 32))),
        ("image", (1, 8, 8), 1797, MLPConfig((1, 8, 8), 3, hidden=(128,))),
        ("image", (3, 15, 40), 20_000, MLPConfig((3, 15, 40), 3, hidden=(256, 128))),
        ("image", (3, 32, 32), 50_000, CNNConfig((3, 32, 32), 3)),
        ("image", (64,), 1797, MLPConfig((64,), 3, hidden=(128,))),  # after PCA it is an image no longer
    ],
)
def test_defaults_suit_the_data(
    kind: str, shape: tuple[int, ...], examples: int, expected: MLPConfig | CNNConfig
) -> None:
    assert choose(kind, shape, examples) == Configured(expected)


def test_what_is_asked_for_replaces_the_defaults() -> None:
    assert choose(hidden=(50,), activation="elu", dropout=0.2) == Configured(
        MLPConfig((4,), 3, hidden=(50,), activation="elu", dropout=0.2)
    )
    assert choose("image", (3, 32, 32), model="mlp") == Configured(MLPConfig((3, 32, 32), 3, hidden=(128,)))
    assert choose("image", (1, 8, 8), model="cnn", channels=(4,), hidden=(), batch_norm=False) == Configured(
        CNNConfig((1, 8, 8), 3, channels=(4,), hidden=(), batch_norm=False)
    )


@pytest.mark.parametrize(
    ("options", "kind", "shape", "says"),
    [
        ({"model": "cnn"}, "table", (4,), "expected channels, height and width, found (4,); use an mlp"),
        ({"model": "cnn", "channels": (8,) * 5}, "image", (1, 16, 16), "at most 4 blocks"),
        ({"channels": (8,)}, "image", (1, 8, 8), "--channels: expected a convolutional net, found a multilayer"),
        ({"search": ("channels",)}, "image", (1, 8, 8), "--search channels: expected a convolutional net"),
        ({"search": ("channels=8|16",)}, "table", (4,), "found a multilayer perceptron; leave it out"),
    ],
)
def test_what_does_not_suit_the_data_is_refused(
    options: dict[str, Any], kind: str, shape: tuple[int, ...], says: str
) -> None:
    with pytest.raises(InputError) as refused:
        choose(kind, shape, **options)
    assert says in str(refused.value)


def test_hyperparameters_change_the_network_and_others_are_passed_over() -> None:
    architecture = choose(hidden=(50,))
    network = architecture.build({"hidden": (7, 5), "lr": 0.1, "l2": 1e-3}, 0, sample(4))
    assert [layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear)] == [7, 5, 3]
    assert architecture.to_json({"hidden": (7, 5), "lr": 0.1})["hidden"] == [7, 5]
    assert architecture.describe({"dropout": 0.25}) == "mlp 4-50-3, relu, dropout 0.25, init he"
    assert choose("image", (3, 32, 32)).describe({}) == "cnn 3×32×32-32-64-128-3, relu, batch norm, init he"


@pytest.mark.parametrize("options", [{}, {"init": "lsuv"}])
def test_the_seed_decides_the_weights_and_the_caller_s_random_numbers_nothing(options: dict[str, Any]) -> None:
    architecture, inputs = choose(**options), torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = architecture.build({}, 5, inputs)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again, other = architecture.build({}, 5, inputs), architecture.build({}, 6, inputs)
    weights = [torch.cat([p.detach().flatten() for p in model.parameters()]) for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_convolutions_have_their_channels_innermost() -> None:
    network = choose("image", (3, 16, 16)).build({}, 0, sample(3, 16, 16))
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 2
    assert all(layer.weight.is_contiguous(memory_format=torch.channels_last) for layer in convolutions)


def test_a_function_of_one_s_own_gets_what_it_takes(write: Write) -> None:
    path = write(GOOD)
    architecture = choose(model=f"{path}:build", hidden=(6,))
    network = architecture.build({"dropout": 0.5, "lr": 0.1}, 0, sample(4))
    assert [layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear)] == [6, 3]
    assert [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)] == [0.5]
    searched = architecture.build({"hidden": (9,)}, 0, sample(4))
    assert [layer.out_features for layer in searched.modules() if isinstance(layer, nn.Linear)] == [9, 3]
    assert architecture.describe({"lr": 0.1}) == f"{path}:build (hidden=(6,), lr=0.1)"
    assert choose(model=f"{path}:build").describe({}) == f"{path}:build (its defaults)"


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"activation": "elu"}, "--activation"),
        ({"batch_norm": False}, "--batch-norm"),
        ({"hidden": (6,), "init": "he"}, "--init"),
        ({"search": ("hidden", "activation=relu|elu")}, "--search activation"),
        ({"search": ("batch-norm",)}, "--search batch_norm"),
    ],
)
def test_what_a_function_of_one_s_own_does_not_take_is_refused(
    write: Write, options: dict[str, Any], option: str
) -> None:
    path = write(GOOD)
    with pytest.raises(InputError) as refused:
        choose(model=f"{path}:build", **options)
    assert str(refused.value).startswith(f"{option}: expected a function that takes ")
    assert f"{path}:build(input_shape, outputs, hidden=(8,), dropout=0.0); leave it out" in str(refused.value)
    assert choose(model=f"{path}:Net", **options) is not None  # it takes everything


def test_names_that_a_function_takes_by_position_alone_are_not_given_to_it(write: Write) -> None:
    path = write("from torch import nn\ndef build(dropout=0, /, *hidden): return nn.Linear(4, 3)")
    assert choose(model=f"{path}:build").build({"hidden": (3,), "dropout": 0.5}, 0, sample(4)) is not None
    for options in ({"hidden": (3,)}, {"dropout": 0.5}):
        with pytest.raises(InputError, match="leave it out"):
            choose(model=f"{path}:build", **options)


def test_networks_that_share_what_is_trained_are_refused(write: Write) -> None:
    path = write(TRAINS)
    architecture = choose(model=f"{path}:shares")
    kept = architecture.build({}, 0, sample(4))
    with pytest.raises(InputError, match="of a network it built before; make new ones at every call"):
        architecture.build({}, 1, sample(4))
    assert kept is not None
    frozen = choose(model=f"{path}:shares_what_is_not_trained")
    assert [frozen.build({}, seed, sample(4)) is not None for seed in (0, 1)] == [True, True]


def test_a_class_that_takes_everything_gets_everything(write: Write) -> None:
    network = choose(model=f"{write(GOOD)}:Net", hidden=(6,)).build({"lr": 0.1}, 0, sample(4))
    assert network.everything == {"input_shape": (4,), "outputs": 3, "hidden": (6,), "lr": 0.1}


def test_a_function_of_one_s_own_is_seeded_alone(write: Write) -> None:
    architecture = choose(model=f"{write(GOOD)}:build")
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = architecture.build({}, 5, sample(4)).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again = architecture.build({}, 5, sample(4)).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_the_trial_run_of_a_network_changes_nothing_in_it(write: Write) -> None:
    path = write("from torch import nn\ndef build(): return nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))")
    network = choose(model=f"{path}:build").build({}, 0, sample(4))
    assert network.training
    assert network.get_buffer("0.num_batches_tracked").item() == 0
    assert all(parameter.grad is None for parameter in network.parameters())


TRAINS = """
import sys, threading
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

class Raises(Net):
    def forward(self, inputs):
        if self.training:
            raise KeyError("mode")
        return self.layer(inputs)

class Two(Net):
    def forward(self, inputs):
        return (self.layer(inputs), inputs) if self.training else self.layer(inputs)

class InPlace(Net):
    def forward(self, inputs):
        outputs = self.layer(inputs).sigmoid()
        outputs += 1
        return outputs

class Fixed(Net):
    def forward(self, inputs):
        return inputs[:, :3]

class Locked(Net):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

    def forward(self, inputs):
        return self.layer(inputs)

def leaves():
    sys.exit(3)

def scripted():
    return nn.Sequential(torch.jit.script(nn.Linear(4, 3)))

TRUNK = nn.Linear(4, 4)

def shares():
    return nn.Sequential(TRUNK, nn.Linear(4, 3))

FROZEN = nn.Linear(4, 4).requires_grad_(False)

def shares_what_is_not_trained():
    return nn.Sequential(FROZEN, nn.Linear(4, 3))
"""


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "Raises",
            "found KeyError for inputs of shape (2, 4) in training mode: 'mode'; make it work after model.train",
        ),
        ("Two", "found outputs tuple for 2 examples in training mode"),
        ("InPlace", "modified by an inplace operation"),
        ("Fixed", "found outputs that depend on no parameter"),
        ("Locked", "found one that cannot be copied: TypeError: cannot pickle '_thread.lock' object"),
        ("leaves", "found SystemExit: 3; mend the function"),
        ("scripted", "found a scripted one, into which nobody can look; return it without torch.jit.script"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_network_that_cannot_be_trained_is_refused_when_it_is_built(write: Write, name: str, says: str) -> None:
    architecture = choose(model=f"{write(TRAINS)}:{name}")
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with pytest.raises(InputError) as refused:
        architecture.build({}, 0, sample(4))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        ("def build(): return 3", "build", "found one that returns int; return the model"),
        ("def build(): raise ValueError('too\\nbad')", "build", "found ValueError: too bad; mend the function"),
        ("def build(depth): pass", "build", "missing 1 required positional argument: 'depth'"),
        (
            "from torch import nn\ndef build(): return nn.Linear(5, 3)",
            "build",
            "RuntimeError for inputs of shape (2, 4)",
        ),
        ("from torch import nn\ndef build(): return nn.Linear(4, 9)", "build", "found outputs (2, 9) for 2 examples"),
        (
            "from torch import nn\nclass Net(nn.Module):\n def forward(self, x): return [x]\ndef build(): return Net()",
            "build",
            "found outputs list for 2 examples; take outputs as a parameter",
        ),
    ],
)
def test_what_is_wrong_with_one_s_own_file_is_told_in_one_line(
    write: Write, content: str, name: str, says: str
) -> None:
    target = f"{write(content)}:{name}"
    with pytest.raises(InputError) as refused:
        choose(model=target).build({}, 0, sample(4))
    assert str(refused.value).startswith(target)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_regression_may_give_one_value_or_a_column(write: Write) -> None:
    path = write("from torch import nn\ndef build(): return nn.Sequential(nn.Linear(4, 1), nn.Flatten(0))")
    assert choose(outputs=1, model=f"{path}:build").build({}, 0, sample(4))(sample(4)).shape == (4,)


def test_json_builds_the_same_network_again(write: Write) -> None:
    path = write(GOOD)
    for architecture in (choose(hidden=(6,)), choose(model=f"{path}:build", hidden=(6,))):
        params = {"hidden": (5, 4), "lr": 0.1, "dropout": 0.5}
        network = architecture.build(params, 0, sample(4))
        saved = json.loads(json.dumps(architecture.to_json(params)))
        with torch.inference_mode():  # somebody else's, who trains nothing
            assert architecture_from_json(saved, function_named(f"{path}:build")) is not None
        again = architecture_from_json(saved, function_named(f"{path}:build"))
        again.load_state_dict(network.state_dict())
        inputs = torch.randn(3, 4)
        network.eval()
        again.eval()
        assert torch.equal(network(inputs), again(inputs))


def test_code_named_by_a_file_is_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n{GOOD}")
    saved = FromFile(f"{trap}:build", lambda: None, (4,), 3).to_json({})
    with pytest.raises(InputError, match=r"trap\.py:build, found none; name it with --model or build="):
        architecture_from_json(saved)
    assert not (tmp_path / "sprung").exists()
