"""GRD001: next to nothing of the gradient reaches the first layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import RunRecord, StepRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._clipping import unclipped
from babysit.rules._curve import Curve
from babysit.rules._gradients import Arrival, arrivals
from babysit.rules._progress import beginning
from babysit.rules._updates import working_range
from babysit.rules._words import LECTURE, number

_SQUASHING = ("Sigmoid", "Tanh", "Hardsigmoid", "Hardtanh", "Softsign", "LogSigmoid")


@dataclass(frozen=True)
class VanishingGradient(Rule):
    """The gradient has all but vanished when it reaches the first layers, and the loss stays where it began.

    ## What it measures
    Each layer's gradient norm × weight norm / loss, the share of the loss that a change of the weights by their own
    size would make: about 0.01 to 10 in networks that learn, whatever the scale of loss and weights. It speaks where
    the first layer is at less than two ten-thousandths and another one at less than 0.3 % of the largest, at the start
    and still while the loss stays at the level of guessing, and where the gradient is small beside the weights
    themselves as well; before a recurrent layer the first one alone, if nothing at all arrives there; and where half of
    the layers, as those in the branches of a residual network, are at less than 1e-5.

    ## Why it hurts
    The first layers keep their random weights, so the layers above them get nothing to learn from.

    ## What to try
    Initialise for the activation function in use: He's scheme for rectifiers, Xavier's for tanh. Use rectifiers instead
    of sigmoids. Add batch normalisation, or connections that skip layers; or use fewer layers.

    ## When it is a false alarm
    A loss that has come down has small gradients by right, so only steps near the initial level are judged, not the
    warm-up of a learning rate, and never a single one. Gradients that grow of themselves are not reported, and clipping
    does not count. Networks of fewer than `min_layers` layers with weights, those with a layer that starts at zero
    (LoRA, a zero-initialised branch) and models trained against each other, whose losses stay where they are, are not
    judged, and of those with normalisation layers only their branches; a gradient of exactly zero from the start is
    another matter (units that are dead, layers cut off).

    ## Options
    Healthy networks of four to nine layers begin at 7e-4 (a small convolutional one) or more and grow from there; deep
    stacks of sigmoids, and weights of 0.01·N(0, 1) in ten layers, stay between 1e-5 and 1e-10.

    ## References
    CS231n 2017, lecture 6: ten layers of tanh with weights of 0.01·N(0, 1). Glorot and Bengio, Understanding the
    difficulty of training deep feedforward neural networks, 2010. SageMaker Debugger's limit is 1e-7 for the mean
    gradient; torchmortem compares layers and takes 1e-3 for critical.
    """

    code: ClassVar[str] = "GRD001"
    name: ClassVar[str] = "vanishing-gradient"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("losses", "steps")
    source: ClassVar[str] = LECTURE

    smallest: float = threshold(2e-4, unit="gradient norm × weight norm / loss", source="0.3 × the least healthy one")
    branch: float = threshold(1e-5, unit="gradient norm × weight norm / loss", source="a twentieth of the limit")
    fading: float = threshold(3e-3, unit="× the largest layer's", source="torchmortem takes 1e-2, 1e-3 for critical")
    relative: float = threshold(1e-3, unit="gradient norm / weight norm", source="the update is below 1e-3 at lr 1")
    stuck: float = threshold(0.9, unit="× chance level, or × initial loss where that is unknown")
    min_layers: int = threshold(4, unit="layers with weights", source="the lecture: small weights suit small networks")
    min_samples: int = threshold(20, unit="sampled steps")
    at_start: int = threshold(5, unit="sampled steps")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        if not run.header.progress or any(layer.weight_norm == 0 for layer in run.steps[0].layers):
            return
        curve = Curve.of(run)
        begin, level = working_range(run)[0], beginning(curve)
        stuck = [step for step in run.steps if step.step >= begin and step.loss > self.stuck * level > 0]
        late = stuck[len(stuck) // 2 :]
        if len(stuck) < self.min_samples:
            return
        before, now = _typical(run.steps[: self.at_start]), _typical(late)
        gone = self._gone(run, before, now)
        if not gone:
            return
        first, most = gone[0], max(now, key=lambda module: now[module].sensitivity)
        yield self.finding(
            f"the gradient has vanished in {len(gone)} of {len(now)} layers: gradient × weights is "
            f"{number(now[first].sensitivity)} of the loss at {first}, against {number(now[most].sensitivity)} at "
            f"{most}; the loss is still {number(late[-1].loss)} at step {late[-1].step}",
            evidence=(
                Evidence("gradient × weights / loss", now[first].sensitivity, self.smallest),
                Evidence("gradient / weights", now[first].relative, self.relative),
                Evidence("layers whose gradient has vanished", float(len(gone)), 1.0),
                Evidence("largest gradient × weights / loss of a layer", now[most].sensitivity),
            ),
            remedies=_remedies(run),
            module=first,
            steps=(run.steps[0].step, late[-1].step),
            severity=Severity.ERROR if curve.final > self.stuck * level else Severity.WARNING,
        )

    def _gone(self, run: RunRecord, before: Mapping[str, Arrival], now: Mapping[str, Arrival]) -> Sequence[str]:
        """The layers that the gradient does not reach; none where that is no vanishing gradient."""
        strictly = [m for m in now if self._vanished(now[m]) and self._vanished_at_start(before.get(m))]
        kinds = [layer.type for layer in run.steps[0].layers]
        largest = max((item.sensitivity for item in now.values()), default=0.0)
        if strictly and strictly[0] == next(iter(now)) and not any("Norm" in kind for kind in kinds):
            faded = [m for m in now if now[m].sensitivity < self.fading * largest]
            if len(now) >= self.min_layers and len(faded) >= 2:
                return list(dict.fromkeys((*strictly, *faded)))
            # a recurrent layer is one for its gradient's every step through time
            if _is_recurrent(kinds) and now[strictly[0]].sensitivity < self.smallest * self.fading * largest:
                return strictly[:1]
        branches = [m for m in strictly if now[m].sensitivity < min(self.branch, self.fading * largest)]
        return branches if 2 * len(branches) >= len(now) >= self.min_layers else []

    def _vanished(self, arrival: Arrival) -> bool:
        return arrival.sensitivity < self.smallest and arrival.relative < self.relative

    def _vanished_at_start(self, arrival: Arrival | None) -> bool:
        """Small but not zero: a gradient of exactly zero was cut off or met dead units, and did not vanish."""
        return arrival is not None and arrival.relative > 0 and self._vanished(arrival)


def _is_recurrent(kinds: Sequence[str]) -> bool:
    return any(kind.startswith(("RNN", "LSTM", "GRU")) for kind in kinds)


def _typical(steps: Sequence[StepRecord]) -> Mapping[str, Arrival]:
    """Medians over the steps, for the layers that were measured at most of them."""
    found: dict[str, list[Arrival]] = {}
    for step in steps:
        for module, arrival in arrivals(unclipped(step)).items():
            found.setdefault(module, []).append(arrival)
    return {
        module: Arrival(median(item.sensitivity for item in items), median(item.relative for item in items))
        for module, items in found.items()
        if 2 * len(items) > len(steps)
    }


def _remedies(run: RunRecord) -> tuple[str, ...]:
    squashing = next((layer.type for layer in run.steps[0].layers if layer.type in _SQUASHING), "")
    scheme = "initialise with He's scheme, √(2/n) for n inputs of a unit"
    xavier = "initialise with Xavier's scheme, 1/√n for n inputs of a unit"
    return (
        *((f"replace {squashing} by ReLU",) if squashing.endswith("igmoid") else ()),
        xavier if squashing and not squashing.endswith("igmoid") else scheme,
        "add batch normalisation before each activation function",
        "use fewer layers, or connections that skip layers",
    )
