"""What the optimizer makes of the gradient's size, by its name."""

from __future__ import annotations

from babysit.measure.record import RunRecord

_ADAPTIVE = ("adam", "rms", "adagrad", "adadelta", "adafactor", "rprop", "lion", "lamb", "sophia", "muon")
_PLAIN = ("sgd", "asgd", "momentum", "nesterov")


def is_adaptive(run: RunRecord) -> bool:
    """Whether the size of every optimizer's steps does not depend on the gradient's; not where they are unknown."""
    return all(any(name in kind for name in _ADAPTIVE) for kind in _kinds(run))


def is_plain(run: RunRecord) -> bool:
    """Whether every optimizer's steps are proportional to the gradient; not where they are unknown."""
    return all(kind in _PLAIN for kind in _kinds(run))


def is_decoupled(run: RunRecord) -> bool:
    """Whether every optimizer's weight decay stands beside the gradient, as its name says."""
    return all("adamw" in kind for kind in _kinds(run))


def _kinds(run: RunRecord) -> list[str]:
    return run.header.optimizer.lower().split(" + ")
