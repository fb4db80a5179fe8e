"""Training: a loop that wastes nothing, optimizers and schedules by name, checkpoints, averages, ensembles."""

from babysit._callable import make_callable
from babysit.fit.api import FitResult as FitResult
from babysit.fit.api import fit as fit
from babysit.fit.ensemble import Ensemble as Ensemble
from babysit.fit.settings import TrainSettings as TrainSettings

__all__ = ["Ensemble", "FitResult", "TrainSettings", "fit"]

make_callable(__name__, fit)
