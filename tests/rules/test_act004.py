from __future__ import annotations

import pytest

from babysit.measure.record import Forward, Graph, LayerStats, LinearChain, RunRecord, StepRecord
from babysit.rules import Severity
from babysit.rules.act004_missing_nonlinearity import MissingNonlinearity

RULE = MissingNonlinearity()
DENSE = LinearChain(("fc1", "fc2", "fc3"), 64, 100, 10)


def run(
    *chains: LinearChain,
    kinds: dict[str, str] | None = None,
    looks: int = 4,
    of: int = 4,
    forwards: tuple[str, ...] = (),
) -> RunRecord:
    modules = dict.fromkeys((module for chain in chains for module in chain.modules), "Linear") | (kinds or {})
    layers = tuple(LayerStats(module, kind, weight_norm=1.0) for module, kind in modules.items())
    return RunRecord(
        steps=(StepRecord(0, 2.3, layers=layers),),
        graphs=tuple(Graph(4**look, 30, chains if look < looks else ()) for look in range(of)),
        forwards=tuple(Forward(0, "train", model, training=True) for model in forwards),
    )


def test_layers_in_a_row() -> None:
    (finding,) = RULE.check(run(DENSE))
    assert finding.severity is Severity.WARNING
    assert finding.module == "fc1"
    assert "3 linear layers in a row" in finding.message
    assert "fc1 → fc2 → fc3" in finding.message
    assert "whole model is linear" in finding.message
    assert finding.remedies[0] == "put an activation function between them: F.relu after fc1 and after fc2"


def test_one_that_was_forgotten_in_a_larger_model() -> None:
    (finding,) = RULE.check(run(LinearChain(("fc2", "fc3"), 100, 50, 50), kinds={"fc1": "Linear"}))
    assert "no more than one layer could" in finding.message


def test_long_rows_are_shortened() -> None:
    (finding,) = RULE.check(run(LinearChain(tuple("abcdefgh"), 8, 8, 8)))
    assert "a → b → … → g → h" in finding.message
    assert "after each of them" in finding.remedies[0]


@pytest.mark.parametrize(
    "chain",
    [
        LinearChain(("down", "up"), 64, 4, 64),  # LoRA, a low-rank factor
        LinearChain(("enc.2", "dec.0"), 64, 32, 64),  # the code of an autoencoder
        LinearChain(("one",), 64, 64, 64),
        LinearChain((), 0, 0, 0),
    ],
)
def test_bottlenecks_are_no_alarm(chain: LinearChain) -> None:
    assert list(RULE.check(run(chain))) == []


def test_an_autoencoder_without_any_activation() -> None:
    chain = LinearChain(("enc.0", "enc.1", "dec.0", "dec.1"), 64, 12, 64)
    (finding,) = RULE.check(run(chain, kinds={"head": "Linear"}))
    assert "they can do no more than two layers of 12 between them could" in finding.message
    assert finding.remedies[1] == "or make them two layers of 12 between them, if the model is meant to be linear there"


def test_convolutions_are_narrower_than_their_patches_by_nature() -> None:
    chain = LinearChain(("conv1", "conv2"), 9, 8, 16)  # 1 → 8 → 16 channels, 3 × 3
    kinds = {"conv1": "Conv2d", "conv2": "Conv2d"}
    assert len(list(RULE.check(run(chain, kinds=kinds)))) == 1
    linear_bottleneck = LinearChain(("conv1", "conv2"), 96, 16, 96)  # MobileNet's
    assert list(RULE.check(run(linear_bottleneck, kinds=kinds))) == []


def test_a_vector_that_becomes_feature_maps() -> None:
    chain = LinearChain(("project", "conv"), 100, 6272, 64)
    assert list(RULE.check(run(chain, kinds={"conv": "Conv2d"}))) == []
    assert len(list(RULE.check(run(chain)))) == 1


def test_two_models_are_no_row() -> None:
    chain = LinearChain(("net.4", "Critic.0"), 32, 64, 32)
    assert list(RULE.check(run(chain, forwards=("Generator", "Critic")))) == []


def test_two_parts_that_meet_are_information() -> None:
    (finding,) = RULE.check(run(LinearChain(("encoder.2", "projector.0"), 64, 64, 64)))
    assert finding.severity is Severity.INFO
    (finding,) = RULE.check(run(LinearChain(("block1.conv", "block2.conv", "block3.conv"), 64, 64, 64)))
    assert finding.severity is Severity.WARNING
    (finding,) = RULE.check(run(LinearChain(("body.0", "body.1"), 64, 64, 64)))
    assert finding.severity is Severity.WARNING


def test_nearly_all_graphs_have_to_show_it() -> None:
    assert len(list(RULE.check(run(DENSE, looks=10, of=10)))) == 1
    assert list(RULE.check(run(DENSE, looks=2))) == []
    assert not RULE.applies(RunRecord())
