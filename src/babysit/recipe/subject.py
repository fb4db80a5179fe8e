"""Step 3: the architecture, and with it all that the steps after it train."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from babysit.data.batches import Batches
from babysit.errors import InputError, told
from babysit.fit.losses import chance_loss
from babysit.fit.optimizers import make_optimizer
from babysit.fit.settings import TrainSettings
from babysit.fit.threads import choose_threads, step_work
from babysit.nn import describe
from babysit.preflight.isolation import isolated
from babysit.recipe.activations import activation_probe
from babysit.recipe.architecture import Architecture, choose_architecture
from babysit.recipe.prepared import Prepared
from babysit.recipe.run import Run
from babysit.recipe.steps import StepResult


@dataclass(frozen=True, eq=False)
class Subject:
    """What will be trained: data, architecture and settings before any search.

    Attributes:
        prepared: The data.
        architecture: Builds its networks.
        settings: Before any search.
        network: With its initial weights, for the probes; never trained.
        chance: Loss of the best constant prediction.
        augment: What is done to the training images, unless a trial says otherwise.
    """

    prepared: Prepared
    architecture: Architecture
    settings: TrainSettings
    network: nn.Module
    chance: float
    augment: str = "none"

    def batches(self, count: int) -> list[tuple[Tensor, Tensor]]:
        """The first batches of a training, as the network takes them."""
        source: Batches = self.prepared.batches(self.settings.batch_size, self.settings.seed)
        return [self._ready(*source.batch(step)) for step in range(count)]

    def network_for(self, params: Mapping[str, Any], seed: int) -> nn.Module:
        """A new network with its initial weights."""
        sample, _ = self.prepared.few(256)
        return self.architecture.build(params, seed, sample)

    def _ready(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return (inputs if self.prepared.in_memory else self.prepared.preprocess(inputs)), targets


def choose_model(run: Run, prepared: Prepared) -> Subject:
    """Step 3: the architecture."""
    run.display.begin(3, "Choose the architecture")
    options, dataset = run.options, prepared.dataset
    architecture = choose_architecture(
        options, dataset.kind, len(prepared.train), prepared.preprocess.output_shape, dataset.classes or 1
    )
    settings = TrainSettings(
        optimizer=options.optimizer,
        schedule=options.schedule,
        batch_size=options.batch_size or _default_batch_size(len(prepared.train)),
        seed=options.seed,
    )
    sample, _ = prepared.few(256)
    subject = Subject(
        prepared,
        architecture,
        settings,
        architecture.build({}, options.seed, sample),
        chance_loss(prepared.task, prepared.train.y),
        options.augment or "none",
    )
    _try_step(subject)
    layers = describe(subject.network, prepared.preprocess.output_shape)
    parameters = sum(parameter.numel() for parameter in subject.network.parameters())
    run.report["model"] = {
        "description": architecture.describe({}),
        "parameters": parameters,
        "layers": [[row.name, row.type, "×".join(map(str, row.output_shape)), row.parameters] for row in layers],
    }
    run.know(
        loss_name=prepared.task.loss_name,
        chance_loss=subject.chance,
        batch_size=settings.batch_size,
        steps_per_epoch=prepared.batches(settings.batch_size, 0, subject.augment).steps_per_epoch,
        optimizer=settings.optimizer,
    )
    work = step_work(subject.network, settings.batch_size)
    torch.set_num_threads(run.journal.decide("threads", lambda: choose_threads(work)))
    run.probe("activations-initial", lambda: activation_probe("activations-initial", subject.network, sample))
    run.end_step(
        StepResult(
            3,
            "architecture",
            "Choose the architecture",
            f"{architecture.describe({})}: {parameters:,} parameters",
            f"one output a class ({dataset.classes})" if dataset.classes else "one output",
        )
    )
    return subject


def _try_step(subject: Subject) -> None:
    """Refuse batches that the network cannot be trained on: one example is too few to be normalised over.

    Raises:
        InputError: A step with such a batch raises.
    """
    ((inputs, targets),) = subject.batches(1)
    try:
        with isolated(subject.network) as network:
            network.train()
            subject.prepared.task.loss(network(inputs), targets).backward()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise InputError(
            "--batch-size",
            expected="batches that the network can be trained on",
            found=f"{told(error)} for one of {len(inputs)}",
            todo="choose another size, or leave batch normalisation out",
        ) from error


def measure_step(subject: Subject) -> float:
    """Seconds of one training step here and now: the median of twenty, after five to warm up."""
    times = []
    with isolated(subject.network) as network:
        optimizer = make_optimizer(subject.settings.optimizer, network, lr=1e-9)
        for inputs, targets in subject.batches(25):
            begin = time.perf_counter()
            optimizer.zero_grad()
            subject.prepared.task.loss(network(inputs), targets).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            times.append(time.perf_counter() - begin)
    return sorted(times[5:])[len(times[5:]) // 2]


def count_flops(subject: Subject) -> float:
    """Floating-point operations of one training step: three times those of a forward pass."""
    inputs, _ = subject.batches(1)[0]
    with isolated(subject.network) as network, torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(inputs)
    return 3.0 * float(counter.get_total_flops())


def _default_batch_size(examples: int) -> int:
    """About a hundred steps an epoch for small data, 128 for large (heuristic)."""
    return 128 if examples >= 10_000 else 64 if examples >= 3_000 else 32 if examples >= 300 else 16
