"""ACT004: linear layers in a row with nothing nonlinear between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import LinearChain, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._passes import Passes, carries

_SOURCE = "Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.1: why hidden layers are nonlinear"


_ENOUGH = 2


@dataclass(frozen=True)
class MissingNonlinearity(Rule):
    """Two or more linear or convolutional layers follow each other with no activation function between.

    ## What it measures
    The graph of the loss: products with weights of which each takes what the one before gave, by nothing but reshaping,
    scaling, averaging, dropout or batch normalisation on the way. However the model was written, a layer in its class
    whose activation was forgotten in `forward` shows here. It speaks where nearly all looks at the graph found them.

    ## Why it hurts
    A product of matrices is a matrix: such layers together can say no more than one of them could, at the price of
    all. A network without any nonlinearity is a linear model, whatever its depth.

    ## What to try
    Put an activation function, `nn.ReLU()` or `F.relu(x)`, between the named layers, before or after the batch
    normalisation; or make them one layer.

    ## When it is a false alarm
    Two layers with a bottleneck are no alarm, because one full layer has more parameters: low-rank factors, LoRA, the
    narrow code of an autoencoder, linear bottlenecks of MobileNet. A third linear layer adds nothing to them. Nor are
    depthwise-separable convolutions, embeddings, a vector that is projected into feature maps (the first layer of an
    image generator), and layers of two models (a generator's output goes straight into its critic). The end of one part
    of a model that meets the beginning of another, as an encoder before a projection head, is information only.
    Factorised convolutions, k×1 and then 1×k, and the study of deep linear networks are true exceptions.

    ## Options
    `share` is how many of the looks, at steps 0, 1, 4, 16, 64 …, have to show the row.

    ## References
    Goodfellow, Bengio and Courville, Deep Learning, MIT Press 2016, section 6.1. None of ten diagnosis tools named
    this fault, and it can end at a good accuracy where the data are nearly linear.
    """

    code: ClassVar[str] = "ACT004"
    name: ClassVar[str] = "missing-nonlinearity"
    severity: ClassVar[Severity] = Severity.WARNING
    needs: ClassVar[tuple[str, ...]] = ("graphs",)
    source: ClassVar[str] = _SOURCE

    share: float = threshold(0.9, unit="share of the graphs looked at")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        found: dict[tuple[str, ...], list[tuple[int, LinearChain]]] = {}
        passes, kinds = Passes.of(run), _kinds(run)
        for graph in run.graphs:
            for chain in graph.chains:
                if _counts(chain, passes, kinds):
                    found.setdefault(chain.modules, []).append((graph.step, chain))
        for seen in found.values():
            if len(seen) >= self.share * len(run.graphs):
                yield self._report(run, seen, passes)

    def _report(self, run: RunRecord, seen: list[tuple[int, LinearChain]], passes: Passes) -> Finding:
        chain = seen[-1][1]
        layers = len(chain.modules)
        weighted = {layer.module for step in run.steps for layer in step.layers if layer.weight_norm is not None}
        whole = len(weighted) > 0 and weighted <= set(chain.modules)
        rank = _is_narrow(chain) and all(_kinds(run).get(item, "").startswith("Linear") for item in chain.modules)
        enough = f"two layers of {chain.width} between them" if rank else "one layer"
        row = " → ".join(chain.modules if layers <= 5 else (*chain.modules[:2], "…", *chain.modules[-2:]))
        return self.finding(
            f"{layers} linear layers in a row with nothing nonlinear between them: {row}; from {chain.inputs} inputs "
            f"to {chain.outputs} outputs, over {chain.width} at the narrowest, "
            + ("so that the whole model is linear" if whole else f"they can do no more than {enough} could"),
            evidence=(
                Evidence("linear layers in a row", float(layers), 1.0, "layers"),
                Evidence("narrowest width between them", float(chain.width), float(min(chain.inputs, chain.outputs))),
                Evidence("graphs that show it", float(len(seen)), self.share * len(run.graphs)),
            ),
            remedies=(
                f"put an activation function between them: F.relu after {' and after '.join(chain.modules[:-1])}"
                if layers <= 4
                else "put an activation function such as nn.ReLU() after each of them but the last",
                f"or make them {enough}, if the model is meant to be linear there",
            ),
            module=chain.modules[0],
            steps=(seen[0][0], seen[-1][0]),
            severity=Severity.INFO if _meet(chain, passes) else None,
        )


def _counts(chain: LinearChain, passes: Passes, kinds: dict[str, str]) -> bool:
    """Whether one layer could do what the row does; of one model, and no vector that becomes feature maps."""
    types = [kinds.get(module, "") for module in chain.modules]
    if len(types) < 2 or _is_bottleneck(chain, any(kind.startswith("Conv") for kind in types)):
        return False
    projected = len(types) == 2 and types[0].startswith("Linear") and types[1].startswith("Conv")
    return not projected and len({passes.model_of(module) for module in chain.modules}) == 1


def _is_bottleneck(chain: LinearChain, convolutions: bool) -> bool:
    """Whether the row has a rank that one layer would have to be held down to.

    A filter takes a whole patch, so that nearly every convolution is narrower than its inputs: among them a bottleneck
    has to save parameters. Any rank takes two linear layers, and no more.
    """
    if convolutions:
        return chain.width * (chain.inputs + chain.outputs) < chain.inputs * chain.outputs
    return _is_narrow(chain) and len(chain.modules) == _ENOUGH


def _is_narrow(chain: LinearChain) -> bool:
    return chain.width < min(chain.inputs, chain.outputs)


def _kinds(run: RunRecord) -> dict[str, str]:
    return {layer.module: layer.type for step in run.steps[:4] for layer in step.layers if carries(layer)}


def _meet(chain: LinearChain, passes: Passes) -> bool:
    """Whether two layers of different parts meet: each inside a part of its own, and just the two."""
    own = [module.removeprefix(f"{passes.model_of(module)}.") for module in chain.modules]
    parts = [path.split(".")[:-1] for path in own]
    return len(parts) == 2 and all(parts) and parts[0][0] != parts[1][0]
