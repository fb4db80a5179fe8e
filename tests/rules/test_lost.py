from __future__ import annotations

from babysit.measure.record import LayerStats, RunRecord, StepRecord
from babysit.rules._lost import Lost, lost_at


def find(*layers: LayerStats, since: int = 5) -> Lost | None:
    # before step 5 all layers told the examples apart
    early = tuple(LayerStats(layer.module, layer.type, mean=0.0, std=1.0, example_std=1.0) for layer in layers)
    steps = tuple(StepRecord(step, 1.0, layers=layers if step >= 5 else early) for step in range(10))
    return lost_at(RunRecord(steps=steps), since, least=1e-3, dead=0.99)


def layer(module: str, spread: float | None, kind: str = "Linear", **changes: float) -> LayerStats:
    return LayerStats(module, kind, mean=0.0, std=1.0, example_std=spread, **changes)


def test_the_first_of_those_that_do_not_come_back() -> None:
    assert find(layer("a", 1.0), layer("b", 0.0), layer("c", 0.0)) == Lost("b", "a", 0.0, dead=False)
    assert find(layer("a", 0.0), layer("b", 1.0), layer("c", 0.0)) == Lost("c", "b", 0.0, dead=False)
    assert find(layer("a", 0.0)) == Lost("a", "", 0.0, dead=False)
    assert find(layer("a", 0.0), layer("b", 1.0)) is None
    assert find(layer("a", None)) is None
    assert find() is None


def test_dead_and_saturated_layers() -> None:
    linear, out = layer("a", 1.0), layer("out", 0.0)
    dead = find(linear, layer("act", 0.0, "ReLU", dead_fraction=1.0), out)
    assert dead is not None
    assert dead.dead
    saturated = find(linear, layer("act", 0.0, "Tanh", saturated_fraction=1.0), out)
    assert saturated is not None
    assert saturated.dead
    output = find(linear, layer("act", 0.0, "Tanh", saturated_fraction=1.0))
    assert output is not None
    assert not output.dead


def test_what_a_layer_made_so() -> None:
    relu = layer("act", 0.0, "ReLU", dead_fraction=1.0)
    biased, blind = find(layer("a", 1e-4), relu), find(layer("a", 0.0), relu)
    assert biased is not None
    assert blind is not None
    assert (biased.dead, blind.dead) == (True, False)
