from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import babysit as bs
from babysit.data.batches import TensorBatches
from babysit.errors import InputError
from babysit.fit.evaluation import Examples
from babysit.fit.losses import CLASSIFICATION
from babysit.fit.settings import TrainSettings
from babysit.search.cluster import Cluster, OnCluster
from babysit.search.engines import SingleEngine, nothing_between
from babysit.search.problem import Problem
from babysit.search.states import FolderStates
from babysit.search.trials import Outcome, TrialSpec, Unit

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'babysit[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
DRAW = torch.Generator().manual_seed(3)
X = torch.randn(60, 6, generator=DRAW)
Y = (X @ torch.randn(6, 3, generator=DRAW)).argmax(dim=1)


def network(trial: TrialSpec) -> nn.Module:
    time.sleep(trial.params.get("sleep", 0))
    if "raise" in trial.params:
        raise ValueError("no such network")
    with torch.random.fork_rng():
        torch.manual_seed(trial.seed)
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def batches(_trial: TrialSpec, settings: TrainSettings) -> TensorBatches:
    return TensorBatches(X[:40], Y[:40], settings.batch_size, settings.seed)


PROBLEM = Problem(
    build=network,
    batches=batches,
    validation=Examples(X[40:], Y[40:]),
    task=CLASSIFICATION,
    settings=TrainSettings(optimizer="adam", batch_size=8),
    chance=math.log(3),
)


def unit(number: int, epochs: float = 2.0, **params: Any) -> Unit:
    return Unit((TrialSpec(number, 0, {"lr": 0.01, **params}, seed=number, epochs=4.0),), epochs)


@pytest.fixture
def two_nodes() -> Iterator[Any]:
    from ray.cluster_utils import Cluster as LocalCluster

    cluster = LocalCluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    cluster.nodes = nodes
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def expected(folder: Path, *units: Unit) -> dict[int, Outcome]:
    torch.set_num_threads(1)
    engine = SingleEngine(PROBLEM, FolderStates(folder))
    return {one.trials[0].number: engine.train(one.trials, one.epochs)[0] for one in units}


def test_a_cluster_trains_as_this_process_does_from_rung_to_rung(two_nodes: Any, tmp_path: Path) -> None:
    joined = Cluster(two_nodes.address)
    assert joined.places() == 2
    runner = OnCluster(SingleEngine(PROBLEM, FolderStates(tmp_path / "trials")), 2, nothing_between)
    for epochs in (1.0, 2.0, 4.0):
        units = [unit(number, epochs) for number in range(3)] + [unit(3, epochs, **{"raise": True})]
        outcomes = {outcome.number: outcome for _, some in runner.run(units) for outcome in some}
        wanted = expected(tmp_path / "here", *units)
        assert all(outcomes[number] == wanted[number] for number in range(3))
        assert outcomes[3].stopped == "ValueError: no such network"
    runner.close()


def test_a_node_that_is_lost_costs_its_units_in_flight_and_they_are_trained_again(
    two_nodes: Any, tmp_path: Path
) -> None:
    Cluster(two_nodes.address)
    # several nodes share this machine, and this process belongs to one of them
    own = ray.get_runtime_context().get_node_id()
    doomed = next(node for node in two_nodes.nodes if node.node_id != own)
    killed: list[int] = []
    began = time.monotonic()

    def between(_: int) -> None:
        if not killed and time.monotonic() - began > 6:
            killed.append(1)
            two_nodes.remove_node(doomed, allow_graceful=False)

    runner = OnCluster(SingleEngine(PROBLEM, FolderStates(tmp_path / "trials")), 2, between)
    units = [unit(number, 2.0, sleep=2.0) for number in range(8)]
    outcomes = {outcome.number: outcome for _, some in runner.run(units) for outcome in some}
    runner.close()
    assert killed
    assert outcomes == expected(tmp_path / "here", *(unit(number, 2.0) for number in range(8)))


def test_a_search_on_a_cluster_finds_what_it_finds_here(two_nodes: Any) -> None:
    given: dict[str, Any] = {
        "space": {"lr": bs.LogUniform(1e-4, 1.0)}, "trials": 8, "epochs": 4, "batch_size": 8, "engine": "single",
    }  # fmt: skip

    def build(_: dict[str, Any]) -> nn.Module:
        return nn.Linear(6, 3)

    here = bs.search(build, (X, Y), workers=1, **given)
    there = bs.search(build, (X, Y), ray=two_nodes.address, **given)
    assert there.trials == here.trials
    assert "in 2 places of the cluster" in there.notes[0]


def test_no_cluster_at_an_address_is_said_in_one_line() -> None:
    with pytest.raises(InputError, match=r"ray: expected a Ray cluster at 127\.0\.0\.1:1, found"):
        Cluster("127.0.0.1:1")
