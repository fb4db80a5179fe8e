from __future__ import annotations

from babysit.measure.record import Forward, LayerStats, RunRecord, StepRecord
from babysit.rules._passes import Passes, carries, first_passes, hidden_layers, is_gate


def layers(*names: str) -> list[LayerStats]:
    """``"path:Type"``; linear layers have weights, but for those of a second call."""
    found = []
    for name in names:
        path, _, kind = name.partition(":")
        found.append(LayerStats(path, kind, weight_norm=1.0 if kind == "Linear" and "#" not in path else None))
    return found


def calls(*models: str) -> tuple[Forward, ...]:
    return tuple(Forward(0, "train", model, training=True) for model in models)


GAN = layers(
    "net.0:Linear",
    "F.tanh:Tanh",
    "Critic.0:Linear",
    "Critic.1:ReLU",
    "Critic.2:Linear",
    "Critic.0#2:Linear",
    "Critic.1#2:ReLU",
    "Critic.2#2:Linear",
)


def test_models_and_their_passes_are_told_apart() -> None:
    passes = Passes.of(RunRecord(forwards=calls("Generator", "Critic", "Critic")))
    split = passes.split(GAN)
    assert {model: [[layer.module for layer in part] for part in parts] for model, parts in split.items()} == {
        "": [["net.0", "F.tanh"]],
        "Critic": [["Critic.0", "Critic.1", "Critic.2"], ["Critic.0#2", "Critic.1#2", "Critic.2#2"]],
    }
    assert hidden_layers(split[""][0]) == []  # the end of the generator is an output, whatever follows
    assert [layer.module for layer in hidden_layers(split["Critic"][0])] == ["Critic.1"]


def test_without_calls_everything_is_one_pass() -> None:
    assert Passes.of(RunRecord()).split(GAN) == {"": [GAN]}


def test_a_layer_that_one_pass_calls_again_stays_in_it() -> None:
    cells = layers("cell:Linear", "F.tanh:Tanh", "cell#2:Linear", "F.tanh#2:Tanh", "head:Linear")
    passes = Passes.of(RunRecord(forwards=calls("Recurrent")))
    assert passes.split(cells) == {"": [cells]}
    assert [layer.module for layer in hidden_layers(cells)] == ["F.tanh", "F.tanh#2"]


def test_a_unit_is_dead_that_is_dead_in_every_pass() -> None:
    step = StepRecord(
        0,
        1.0,
        layers=(
            LayerStats("0", "Linear", weight_norm=1.0),
            LayerStats("1", "ReLU", dead_fraction=0.9),
            LayerStats("0#2", "Linear"),
            LayerStats("1#2", "ReLU", dead_fraction=0.2),
        ),
    )
    (first,) = first_passes(RunRecord(steps=(step,), forwards=calls("Critic", "Critic"))).steps
    assert [(layer.module, layer.dead_fraction) for layer in first.layers] == [("0", None), ("1", 0.2)]
    (whole,) = first_passes(RunRecord(steps=(step,), forwards=calls("Critic"))).steps
    assert whole is step


def test_gates() -> None:
    assert is_gate(layers("a:Linear", "s:Sigmoid", "t:Tanh", "b:Linear"), 1)
    assert is_gate(layers("value:Linear", "gate:Linear", "s:Sigmoid", "b:Linear"), 2)
    assert not is_gate(layers("a:Linear", "s:Sigmoid", "b:Linear"), 1)
    assert not is_gate(layers("a:Linear", "t:Tanh", "b:Linear"), 1)


def test_frozen_layers_carry_too() -> None:
    assert carries(LayerStats("conv", "Conv2d"))
    assert carries(LayerStats("out_proj", "NonDynamicallyQuantizableLinear"))
    assert not carries(LayerStats("act", "ReLU"))
