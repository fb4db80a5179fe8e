"""Which recorded layers belong together: those of one model, in one pass through it.

A watched step may call several models (two that play against each other), or one of them several times (on real and on
made examples). The layers then follow each other in the order in which they were called, so that "the layer after" is
only to be asked within one pass. The first model's paths are bare, those of further ones begin with their names.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from babysit.measure.record import LayerStats, RunRecord
from babysit.rules._layers import is_activation, is_weighted

_CARRIERS = ("Linear", "Conv", "Bilinear", "Embedding", "RNN", "LSTM", "GRU", "LazyLinear", "LazyConv")
_DIGITS = "0123456789"


@dataclass(frozen=True)
class Passes:
    """How the layers of a run's steps are told apart.

    Attributes:
        models: Names of the models that were called.
        first: Name of the one whose paths are bare.
        repeated: Names of those that a single step called more than once.
        kinds: Class names of those that have other names.
    """

    models: frozenset[str] = frozenset()
    first: str = ""
    repeated: frozenset[str] = frozenset()
    kinds: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, run: RunRecord) -> Passes:
        """Learn from the recorded calls of models; without any, all layers are one pass through one model."""
        forwards = run.forwarded("train")
        calls = Counter((forward.step, forward.model) for forward in forwards)
        return cls(
            frozenset(forward.model for forward in run.forwards),
            forwards[0].model if forwards else "",
            frozenset(model for (_, model), count in calls.items() if count > 1),
            {forward.model: forward.class_name for forward in run.forwards if forward.class_name},
        )

    def model_of(self, module: str) -> str:
        """What the path of a module begins with where it is one of a further model, ``""`` for the first one.

        Example:
            >>> passes = Passes(frozenset({"Generator", "Critic"}), "Generator")
            >>> passes.model_of("net.0"), passes.model_of("Critic.net.0"), passes.model_of("Critic2.net.0")
            ('', 'Critic', 'Critic2')
        """
        head = base(module).partition(".")[0]
        return head if self.called(head) in self.models else ""

    def called(self, model: str) -> str:
        """The name in the records of a model's calls, by what its paths begin with.

        Earlier versions told models of one class apart by a number in paths alone.

        Example:
            >>> passes = Passes(frozenset({"Generator", "Critic"}), "Generator")
            >>> passes.called(""), passes.called("Critic2")
            ('Generator', 'Critic')
        """
        known = model or self.first
        return known if known in self.models else known.rstrip(_DIGITS)

    def class_of(self, model: str) -> str:
        """The class of a model by what its paths begin with.

        Example:
            >>> passes = Passes(frozenset({"Net", "target"}), "Net", kinds={"target": "Net"})
            >>> passes.class_of(""), passes.class_of("target")
            ('Net', 'Net')
        """
        name = self.called(model)
        return self.kinds.get(name, name)

    def split(self, layers: Sequence[LayerStats]) -> dict[str, list[list[LayerStats]]]:
        """The layers of a step by model, and of each model by pass, in the order in which they were called."""
        found: dict[str, list[LayerStats]] = {}
        model = ""
        for layer in layers:
            if not layer.module.startswith("F."):  # a function at a model's top comes after a layer of that model
                model = self.model_of(layer.module)
            found.setdefault(model, []).append(layer)
        return {model: self._passes(model, parts) for model, parts in found.items()}

    def _passes(self, model: str, layers: list[LayerStats]) -> list[list[LayerStats]]:
        first = next((base(layer.module) for layer in layers if carries(layer)), "")
        if not first or self.called(model) not in self.repeated:
            return [layers]
        passes: list[list[LayerStats]] = [[]]
        begun = False
        for layer in layers:
            if base(layer.module) == first:
                if begun:
                    passes.append([])
                begun = True
            passes[-1].append(layer)
        return passes


def base(module: str) -> str:
    """The path without the number of the call.

    Example:
        >>> base("block.F.relu#3")
        'block.F.relu'
    """
    return module.partition("#")[0]


def carries(layer: LayerStats) -> bool:
    """Whether the layer has weights, trained ones or frozen ones."""
    return is_weighted(layer) or layer.type.startswith(_CARRIERS) or layer.type.endswith("Linear")


def hidden_layers(layers: Sequence[LayerStats]) -> list[LayerStats]:
    """The activations of one pass that a layer with weights comes after; the others are outputs."""
    last = max((place for place, layer in enumerate(layers) if carries(layer)), default=len(layers))
    return [layer for layer in layers[:last] if is_activation(layer)]


def is_gate(layers: Sequence[LayerStats], place: int) -> bool:
    """Whether a sigmoid may weight something else: beside other activations, or after two layers in a row."""
    if layers[place].type != "Sigmoid":
        return False
    if len({layer.type for layer in layers if is_activation(layer)}) > 1:
        return True
    before = [layer for layer in layers[:place] if carries(layer) or is_activation(layer)][-2:]
    return len(before) == 2 and all(map(carries, before))


def first_passes(run: RunRecord) -> RunRecord:
    """The run with the first pass through each model alone; a unit is dead in it that is dead in all passes."""
    passes = Passes.of(run)
    if not passes.repeated:
        return run
    steps = tuple(dataclasses.replace(step, layers=_first(passes, step.layers)) for step in run.steps)
    return dataclasses.replace(run, steps=steps)


def _first(passes: Passes, layers: Sequence[LayerStats]) -> tuple[LayerStats, ...]:
    found: list[LayerStats] = []
    for first, *others in passes.split(layers).values():
        alike = [other for other in others if [item.type for item in other] == [item.type for item in first]]
        found += [_dead_in_all(layer, [other[place] for other in alike]) for place, layer in enumerate(first)]
    return tuple(found)


def _dead_in_all(layer: LayerStats, others: Sequence[LayerStats]) -> LayerStats:
    shares = [item.dead_fraction for item in (layer, *others) if item.dead_fraction is not None]
    return dataclasses.replace(layer, dead_fraction=min(shares)) if shares else layer
