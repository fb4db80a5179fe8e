"""UPD003: parameters that get gradients and are in no optimizer, or stay frozen at their random start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from babysit.measure.record import Coverage, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._coverage import after_first, is_unregistered, mostly, trains_nothing
from babysit.rules._passes import Passes
from babysit.rules._words import names

_SOURCE = "Jiang et al., Training with Confidence (TrainCheck), OSDI 2025"


@dataclass(frozen=True)
class ParameterNotOptimized(Rule):
    """Parts of the model are in no optimizer, so that they keep their first values while the rest is trained.

    ## What it measures
    The modules whose parameters get a gradient and are in none of the optimizers that have stepped so far, at nearly
    all looks (steps 1, 4, 16, 64 …); and those used modules whose weights require no gradient and still are distributed
    as PyTorch initialises them at random.

    ## Why it hurts
    What they compute is a fixed random function of the inputs. The others learn around it, so that the loss comes down
    and nothing looks wrong.

    ## What to try
    Give the optimizer `model.parameters()`; make it after the last layer was added or replaced, and after the model was
    moved to its device. Keep layers in `nn.ModuleList` or `nn.ModuleDict`, not in a Python list, and give every part
    (encoder and decoder) to an optimizer. For layers that are frozen by mistake: `requires_grad_(True)`; for those that
    should be pretrained: load their weights.

    ## When it is a false alarm
    Where a part is left out on purpose, as a backbone of which only the head is trained: `requires_grad_(False)` says
    so, and saves the time of its gradients. Networks of their own that are called in evaluation mode or without
    gradients (a perceptual loss, a teacher), or that require no gradient and whose twin is trained (a target network),
    are not reported. A twin that does get gradients, all of it left out and given other inputs than the trained one, is
    a remark: it looks like a target network whose output was not detached. Frozen random features on purpose are a true
    exception.

    ## Options
    `share` is how many of the looks have to show it, `min_looks` how many there have to be after step 0.

    ## References
    TrainCheck (OSDI 2025) has parameters missing from the optimizer among its silent errors. Silent indeed: a digits
    classifier with layers that are not optimised ends above 95 % validation accuracy all the same.
    """

    code: ClassVar[str] = "UPD003"
    name: ClassVar[str] = "parameter-not-optimized"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("coverage",)
    source: ClassVar[str] = _SOURCE

    share: float = threshold(0.9, unit="share of the looks")
    min_looks: int = threshold(3, unit="looks after step 0", source="steps 1, 4 and 16")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        looks = after_first(run)
        if len(looks) < self.min_looks or trains_nothing(looks):
            return
        passes = Passes.of(run)
        left_out = mostly([look.not_optimized for look in looks], self.share)
        left_out = [module for module in left_out if not _is_fixed(run, passes, module)]
        copies = [module for module in left_out if _is_target(module, left_out, looks[-1], run, passes)]
        if copies:
            yield self._of_copies(looks, copies)
        left_out = [module for module in left_out if module not in copies]
        if left_out:
            remedies = _UNREGISTERED if all(map(is_unregistered, left_out)) else _LEFT_OUT
            yield self._report(
                looks, left_out, "get a gradient at every step, and are in no optimizer", "optimizer.step()", remedies
            )
        frozen = mostly([look.frozen_initial for look in looks], self.share)
        frozen = [module for module in frozen if not _has_twin(module, looks[-1], passes)]
        if frozen:
            why = "require no gradient, and still hold PyTorch's random initial weights"
            yield self._report(looks, frozen, why, "training", _FROZEN)

    def _of_copies(self, looks: Sequence[Coverage], modules: list[str]) -> Finding:
        return self.finding(
            f"{len(modules)} modules ({names(modules)}) get a gradient at every step, and are in no optimizer; they "
            "are all of a network whose twin is trained on other inputs: it looks like a target network, or a copy",
            evidence=(
                Evidence("modules that are left out", float(len(modules)), 0.0),
                Evidence("looks that show it", float(len(looks)), float(self.min_looks)),
            ),
            remedies=tuple(remedy.format(names(modules)) for remedy in _TARGET),
            module=modules[0],
            steps=(looks[0].step, looks[-1].step),
            severity=Severity.INFO,
        )

    def _report(
        self, looks: Sequence[Coverage], modules: list[str], why: str, what: str, remedies: tuple[str, ...]
    ) -> Finding:
        trained = len(looks[-1].trained)
        return self.finding(
            f"{len(modules)} modules ({names(modules)}) {why}: {what} leaves them as they were drawn, while {trained} "
            "others are trained",
            evidence=(
                Evidence("modules that are left out", float(len(modules)), 0.0),
                Evidence("modules that are trained", float(trained)),
                Evidence("looks that show it", float(len(looks)), float(self.min_looks)),
            ),
            remedies=tuple(remedy.format(names(modules)) for remedy in remedies),
            module=modules[0],
            steps=(looks[0].step, looks[-1].step),
        )


def _is_fixed(run: RunRecord, passes: Passes, module: str) -> bool:
    """Whether the module belongs to a model of its own that is never called with gradients, or never in training mode.

    The gradients of one that has been trained before are still there while another is trained with its help.
    """
    model = passes.model_of(module)
    called = {passes.model_of(path) for path in run.modules if not path.startswith("F.")}
    if called and model not in called:
        return True
    modes = [call.training for call in run.forwarded("train") if call.model == passes.called(model)]
    return bool(modes) and not any(modes)


def _has_twin(module: str, look: Coverage, passes: Passes) -> bool:
    """Whether a copy of it is trained: a target network, in a model of its own or beside the other in one model."""

    def tail(path: str) -> str:
        own = path.removeprefix(f"{passes.model_of(path)}.")
        return own if passes.model_of(path) else own.partition(".")[2]

    trained = set(look.trained)
    return any(tail(module) and tail(module) in (tail(other), other) for other in trained if other != module)


def _is_target(module: str, left_out: Sequence[str], look: Coverage, run: RunRecord, passes: Passes) -> bool:
    """Whether it belongs to a copy of a trained model: of its class, with the same layers, all of them left out.

    Parts of one model may have layers of the same names, as an encoder and a decoder have, and are no copies; neither
    is one of two critics, which are given the same inputs, or one of two models trained against each other.
    """
    model = passes.model_of(module)
    if not model or not run.header.progress:
        return False

    def layers(paths: Sequence[str], owner: str) -> set[str]:
        return {path.removeprefix(f"{owner}.") for path in paths if passes.model_of(path) == owner}

    kind = passes.class_of(model)
    alike = {passes.model_of(path) for path in look.trained} - {model}
    twins = [other for other in alike if passes.class_of(other) == kind]
    own = layers(left_out, model)
    whole = not layers(look.trained, model) and any(layers(look.trained, twin) == own for twin in twins)
    return whole and _gets_other_inputs(kind, run, passes)


def _gets_other_inputs(kind: str, run: RunRecord, passes: Passes) -> bool:
    """Whether the models of a class are given different inputs within a step, as a target network is: states to come.

    Integers are not measured, and say nothing.
    """
    given: dict[int, set[object]] = {}
    for call in run.forwarded("train"):
        if passes.class_of(call.model) == kind and call.inputs is not None:
            given.setdefault(call.step, set()).add((call.shape, call.inputs))
    return bool(given) and median(len(inputs) for inputs in given.values()) > 1


_TARGET = (
    "compute what the loss compares with under torch.no_grad(), or detach() it: the gradient should not go through {}",
    "if {} are to be trained: give the optimizer all parameters, theirs too",
)
_UNREGISTERED = (
    "register {} with the model, whose parameters() do not have them: layers in an nn.ModuleList or nn.ModuleDict "
    "instead of a list or dict, tensors as nn.Parameter in an attribute",
    "or give them to the optimizer beside model.parameters()",
)
_LEFT_OUT = (
    "give the optimizer all parameters, those of {} too: make it after the model is complete, from model.parameters()",
    "if they are meant to stay as they are: requires_grad_(False) on them",
)
_FROZEN = (
    "let {} be trained, requires_grad_(True), before the optimizer is made; or load pretrained weights into them",
    "if fixed random features are meant, ignore this rule for them",
)
