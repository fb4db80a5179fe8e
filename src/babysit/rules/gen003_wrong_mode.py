"""GEN003: dropout or batch normalisation is in the wrong mode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from babysit.measure.record import Forward, RunRecord
from babysit.rules._base import Evidence, Finding, Rule, Severity, threshold
from babysit.rules._evaluated import evaluation_passes, passes_of_other_targets, trained_forwards
from babysit.rules._words import percent


@dataclass(frozen=True)
class WrongMode(Rule):
    """The model is evaluated in training mode, or trained in evaluation mode.

    ## What it measures
    The mode of the model in every recorded call, where it has dropout or batch normalisation inside: evaluation passes
    (no gradients, no backward pass after them) in which dropout is active or batches are normalised with their own
    statistics; likewise passes over a whole graph, or the same examples as in training, after which a loss is taken of
    other targets than the training's; training steps in evaluation mode, after the first evaluation or from the start;
    and training steps that normalise with running statistics which no batch has ever updated.

    ## Why it hurts
    In training mode a score is that of a network with random gaps, and of one example depends on the others beside it;
    batch normalisation even learns its running statistics from the evaluated examples, which is an error, where dropout
    alone only makes the score worse than it is. In evaluation mode dropout does not regularise, and the running
    statistics stay as they were when the network was another.

    ## What to try
    `model.eval()` before every evaluation and `model.train()` at the beginning of every epoch.

    ## When it is a false alarm
    Monte Carlo dropout, which keeps dropout active to tell how sure the network is. Calls without gradients at nearly
    every step (rollouts, target networks, teachers) are part of the training and not looked at, neither are networks
    that are not trained, and models trained against each other. Batch normalisation frozen in a model that is otherwise
    in training mode is silent as long as its statistics come from somewhere.

    ## Options
    `most` is the share of the passes or steps in which it has to happen.

    ## References
    torch.nn.Module.eval and torch.nn.Module.train.
    """

    code: ClassVar[str] = "GEN003"
    name: ClassVar[str] = "wrong-mode"
    severity: ClassVar[Severity] = Severity.ERROR
    needs: ClassVar[tuple[str, ...]] = ("forwards",)
    source: ClassVar[str] = "torch.nn.Module.eval"

    most: float = threshold(0.5, unit="of the passes or steps")
    min_steps: int = threshold(8, unit="recorded steps")

    def check(self, run: RunRecord) -> Iterator[Finding]:
        """See the class."""
        if run.header.progress:
            yield from self._evaluated(run)
        forwards = trained_forwards(run)
        if len({forward.step for forward in forwards}) >= self.min_steps:
            yield from self._trained(run, forwards)

    def _evaluated(self, run: RunRecord) -> Iterator[Finding]:
        passes = [held for item in evaluation_passes(run) if (held := [x for x in item if _is_held_out(x)])]
        wrong = [item for item in passes if sum(map(_is_random, item)) > len(item) / 2]
        if not passes:  # what is held out may be rows of the outputs alone, in a call that does not tell which
            passes = passes_of_other_targets(run)
            wrong = [item for item in passes if all(_is_random(x) and not x.gradient for x in item)]
        if not wrong or not len(wrong) > self.most * len(passes):
            return
        last = next(forward for forward in wrong[-1] if _is_random(forward))
        norms, dropouts = last.norms_training, last.dropouts_training
        yield self.finding(
            f"{len(wrong)} of {len(passes)} evaluation passes ran in training mode, with {_parts(norms, dropouts)}: "
            f"the scores are not those of the trained network",
            evidence=(
                Evidence("share of the evaluation passes", len(wrong) / len(passes), self.most),
                Evidence("batch normalisations in training mode", float(norms), 0.0),
                Evidence("active dropouts", float(dropouts), 0.0),
            ),
            remedies=("call model.eval() before evaluating, and model.train() before training goes on",),
            steps=(wrong[0][0].step, last.step),
            severity=Severity.ERROR if norms else Severity.WARNING,
        )

    def _trained(self, run: RunRecord, forwards: Sequence[Forward]) -> Iterator[Finding]:
        fresh = [item for item in forwards if item.norms_fresh > 0]
        if len(fresh) > self.most * len(forwards):
            share = len(fresh) / len(forwards)
            yield self.finding(
                f"in {percent(share)} of the training calls {fresh[-1].norms_fresh} batch normalisations used running "
                f"statistics that no batch has ever updated: they normalise nothing",
                evidence=(
                    Evidence("share of the training calls", share, self.most),
                    Evidence("batch normalisations without statistics", float(fresh[-1].norms_fresh), 0.0),
                ),
                remedies=("call model.train() before training",),
                steps=(fresh[0].step, fresh[-1].step),
            )
            return
        evaluated = min((item[0].step for item in evaluation_passes(run)), default=None)
        after = [item for item in forwards if evaluated is None or item.step >= evaluated]
        idle = [item for item in after if _is_idle(item)]
        if len(after) < self.min_steps or not len(idle) > max(self.most, 0.8) * len(after):
            return
        before = [item for item in forwards if item.training]
        if before or idle[-1].dropouts > 0:  # normalisation that was frozen from the start is of a loaded network
            yield self._left_idle(idle, len(idle) / len(after), undone=bool(before))

    def _left_idle(self, idle: Sequence[Forward], share: float, *, undone: bool) -> Finding:
        last = idle[-1]
        when = f"from step {idle[0].step} on, after an evaluation," if undone else "from the start"
        return self.finding(
            f"{when} the model was trained in evaluation mode: {_idle_parts(last)}",
            evidence=(
                Evidence("share of the training calls", share, self.most),
                Evidence("batch normalisations", float(last.norms)),
                Evidence("dropouts", float(last.dropouts)),
            ),
            remedies=("call model.train() at the beginning of every epoch, after each evaluation",),
            steps=(idle[0].step, last.step),
            severity=Severity.ERROR if last.norms else Severity.WARNING,
        )


def _is_held_out(forward: Forward) -> bool:
    """Not a pass over training examples, which may renew running statistics or only watch."""
    return not forward.gradient and not (forward.examples and forward.seen > forward.examples / 2)


def _is_random(forward: Forward) -> bool:
    return forward.training and (forward.norms_training > 0 or forward.dropouts_training > 0)


def _is_idle(forward: Forward) -> bool:
    inside = forward.norms + forward.dropouts > 0
    return inside and not forward.training and not forward.norms_training and not forward.dropouts_training


def _parts(norms: int, dropouts: int) -> str:
    parts = [f"{norms} batch normalisations using the batch's own statistics"] if norms else []
    return " and ".join([*parts, *([f"{dropouts} dropouts active"] if dropouts else [])])


def _idle_parts(forward: Forward) -> str:
    parts = [f"{forward.dropouts} dropouts do nothing"] if forward.dropouts else []
    norms = f"{forward.norms} batch normalisations keep the statistics of an earlier network"
    return " and ".join([*parts, *([norms] if forward.norms else [])])
