"""Training: a loop that wastes nothing, optimizers and schedules by name, checkpoints, averages."""

from babysit._callable import make_callable
from babysit.fit.api import FitResult as FitResult
from babysit.fit.api import fit as fit
from babysit.fit.settings import TrainSettings as TrainSettings

__all__ = ["FitResult", "TrainSettings", "fit"]

make_callable(__name__, fit)
