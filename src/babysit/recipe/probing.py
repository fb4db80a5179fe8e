"""Steps 3 to 7: the architecture, and what has to hold before any long training."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from babysit.data.batches import Batches
from babysit.fit.evaluation import evaluation_mode
from babysit.fit.losses import chance_loss, score
from babysit.fit.optimizers import make_optimizer
from babysit.fit.settings import TrainSettings
from babysit.fit.threads import choose_threads, step_work
from babysit.measure.record import LossBlock, Probe, RunRecord, StepRecord, collect
from babysit.measure.statistics import histogram
from babysit.nn import describe
from babysit.preflight.initial_loss import probe_initial_loss
from babysit.preflight.isolation import isolated
from babysit.preflight.learning_rate import probe_learning_rates
from babysit.preflight.overfit import EXAMPLES, probe_overfit
from babysit.preflight.regularization import probe_regularization
from babysit.recipe.architecture import Architecture, choose_architecture
from babysit.recipe.prepared import Prepared
from babysit.recipe.run import Run
from babysit.recipe.steps import StepResult

RANGE_STEPS = 60
"""Steps at each learning rate of the range test (heuristic: enough for a slow rate to show, 1–2 s for all rates)."""
FALLBACK_RATES = (1e-6, 1.0)
"""Searched when no rate was found usable and ``--force`` goes on all the same."""
HISTOGRAM_BINS = 40


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
        steps_per_epoch=prepared.batches(settings.batch_size, 0).steps_per_epoch,
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


def check_initial_loss(run: Run, subject: Subject) -> None:
    """Step 4: the loss before any training is what chance gives."""
    run.display.begin(4, "Initial loss")
    task = subject.prepared.task
    probe = run.probe(
        "initial-loss",
        lambda: probe_initial_loss(
            subject.network, task.loss, subject.batches(8), expected=subject.chance, loss_name=task.loss_name
        ),
    )
    formula = (
        f"−ln(1/{subject.prepared.dataset.classes})" if subject.prepared.dataset.classes else "the targets' variance"
    )
    run.end_step(
        StepResult(
            4,
            "initial-loss",
            "Initial loss",
            f"{probe.numbers['loss']:.4f}",
            f"{formula} = {probe.numbers['expected']:.4f}",
        ),
        judged_by=("PRE001",),
    )


def check_regularization(run: Run, subject: Subject) -> None:
    """Step 5: turned up, regularisation raises the loss."""
    run.display.begin(5, "Regularisation")
    inputs, targets = subject.batches(1)[0]
    settings = subject.settings
    probe = run.probe(
        "regularization",
        lambda: probe_regularization(
            subject.network,
            subject.prepared.task.loss,
            inputs,
            targets,
            make_optimizer=lambda model, strength: make_optimizer(settings.optimizer, model, lr=1.0, l2=strength),
        ),
    )
    numbers = probe.numbers
    run.end_step(
        StepResult(
            5,
            "regularization",
            "Regularisation",
            f"L2 0 → {numbers['strength']:g}: loss {numbers['loss_without']:.4f} → {numbers['loss_with']:.4g}",
            "a higher loss",
        ),
        judged_by=("PRE002",),
    )


def check_overfit(run: Run, subject: Subject) -> None:
    """Step 6: twenty examples can be learnt by heart."""
    run.display.begin(6, f"Overfit {EXAMPLES} examples")
    task = subject.prepared.task
    inputs, targets = subject.prepared.few(EXAMPLES)
    probe = run.probe(
        "overfit",
        lambda: probe_overfit(
            subject.network,
            task.loss,
            lambda outputs, truth: score(task, outputs, truth),
            inputs,
            targets,
            chance_loss=subject.chance,
            between=run.interrupts.check,
        ),
    )
    numbers = probe.numbers
    run.end_step(
        StepResult(
            6,
            "overfit",
            f"Overfit {len(inputs)} examples",
            f"loss {numbers['loss']:.4f}, {task.score_name} {numbers['score']:.2f} after {numbers['epochs']:.0f} steps",
            f"loss below {numbers['target_loss']:.4f}, {task.score_name} 1.00",
        ),
        judged_by=("PRE003",),
    )


def find_learning_rates(run: Run, subject: Subject) -> tuple[float, float]:
    """Step 7: which learning rates move the loss, and which make it explode; the range to search."""
    run.display.begin(7, "Learning-rate range")
    settings = subject.settings
    probe = run.probe(
        "learning-rate",
        lambda: probe_learning_rates(
            subject.network,
            subject.prepared.task.loss,
            subject.batches(RANGE_STEPS),
            lambda model, rate: make_optimizer(settings.optimizer, model, lr=rate),
            between=run.interrupts.check,
        ),
    )
    usable = "low" in probe.numbers
    run.end_step(
        StepResult(
            7,
            "learning-rate",
            "Learning-rate range",
            _say_rates(probe),
            "rates that are too low, that work, and that explode",
            passed=usable,
        ),
        judged_by=() if usable else ("LOS001", "LOS002", "LOS003"),
        records=None if usable else _nearest_to_usable(run, probe),
    )
    return (probe.numbers["low"], probe.numbers["high"]) if usable else FALLBACK_RATES


def measure_step(subject: Subject) -> float:
    """Seconds of one training step here and now: the median of twenty, after five to warm up."""
    network = subject.network_for({}, subject.settings.seed)
    optimizer = make_optimizer(subject.settings.optimizer, network, lr=1e-9)
    times = []
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


@torch.no_grad()
def activation_probe(name: str, network: nn.Module, inputs: Tensor) -> Probe:
    """Histogram, mean and standard deviation of every layer's outputs on some examples, in evaluation mode."""
    numbers: dict[str, float] = {}
    series: dict[str, tuple[float, ...]] = {}

    def hook_for(path: str) -> Any:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                counts, low, high = histogram(output, HISTOGRAM_BINS)
                series[path] = tuple(counts.tolist())
                numbers.update({f"{path}:low": low, f"{path}:high": high})
                numbers[f"{path}:mean"] = output.float().mean().item()
                numbers[f"{path}:std"] = output.float().std(correction=0).item()

        return hook

    skipped = (nn.Flatten, nn.Dropout, nn.MaxPool2d)
    leaves = [(path, module) for path, module in network.named_modules() if path and not list(module.children())]
    handles = [
        module.register_forward_hook(hook_for(path)) for path, module in leaves if not isinstance(module, skipped)
    ]
    try:
        with evaluation_mode(network):
            network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return Probe(name, numbers=numbers, series=series)


def _default_batch_size(examples: int) -> int:
    """About a hundred steps an epoch for small data, 128 for large (heuristic)."""
    return 128 if examples >= 10_000 else 64 if examples >= 3_000 else 32 if examples >= 300 else 16


def _say_rates(probe: Probe) -> str:
    verdicts = probe.texts["verdicts"].split(",")
    rates = probe.series["lr"]
    words = {"slow": "barely moves the loss", "falls": "falls", "explodes": "explodes"}
    parts = []
    for verdict, meaning in words.items():
        found = [rate for rate, said in zip(rates, verdicts, strict=True) if said == verdict]
        if found:
            span = f"{found[0]:.1e}" if len(found) == 1 else f"{found[0]:.1e} … {found[-1]:.1e}"
            parts.append(f"{meaning} at {span}")
    search = f"; search {probe.numbers['low']:.1e} … {probe.numbers['high']:.1e}" if "low" in probe.numbers else ""
    return ", ".join(parts) + search


def _nearest_to_usable(run: Run, probe: Probe) -> RunRecord:
    """The losses at the rate that comes nearest to being usable, as a training to be judged."""
    rates, verdicts = probe.series["lr"], probe.texts["verdicts"].split(",")
    slow = [rate for rate, verdict in zip(rates, verdicts, strict=True) if verdict == "slow"]
    rate = slow[-1] if slow else rates[0]
    losses = probe.series[f"losses:{rate:.3g}"]
    return collect(run.header, [StepRecord(0, losses[0], rate), LossBlock(0, losses)])
