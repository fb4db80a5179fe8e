"""The pictures of a report; each is a function to one ``<svg>``, or to ``""`` when the run holds nothing to draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from babysit.measure.record import RunRecord
from babysit.report.plots.bands import activation_bands
from babysit.report.plots.confusion import confusion_matrix
from babysit.report.plots.curves import loss_curve, score_curve
from babysit.report.plots.effects import parameter_effects
from babysit.report.plots.layers import activation_histograms, update_ratios
from babysit.report.plots.parallel import parallel_coordinates
from babysit.report.plots.probes import overfit_curve, rate_range
from babysit.report.plots.regression import truth_and_prediction
from babysit.report.plots.round_maps import round_maps
from babysit.report.plots.rungs import rung_curves
from babysit.report.plots.trials import trial_map
from babysit.report.plots.weights import first_layer
from babysit.report.summary import Summary
from babysit.report.verdict import curve_alone

_SEARCH = (trial_map, parallel_coordinates, rung_curves, parameter_effects, round_maps)


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures that belong together."""

    title: str
    pictures: tuple[str, ...]


def galleries(run: RunRecord, summary: Summary, folder: Path) -> tuple[Gallery, ...]:
    """All pictures a run has material for, in the order a reader asks: did it train, is it right, why.

    Args:
        run: The records.
        summary: What `report.json` says.
        folder: The run folder, for the weights of the trained model.
    """
    drawn = (
        Gallery(
            "Training",
            (loss_curve(run, curve_alone(summary.verdict, summary.curve), summary.findings), score_curve(run, summary)),
        ),
        Gallery("Test", (confusion_matrix(summary), truth_and_prediction(summary))),
        Gallery(
            "Inside the network",
            (update_ratios(run), activation_histograms(run), activation_bands(run), first_layer(folder, summary)),
        ),
        Gallery("Search", tuple(draw(run, summary) for draw in _SEARCH)),
        Gallery("Before training", (rate_range(run), overfit_curve(run, summary))),
    )
    kept = (Gallery(gallery.title, tuple(filter(None, gallery.pictures))) for gallery in drawn)
    # a search has tables even where there is nothing to draw, such as of a single trial
    return tuple(gallery for gallery in kept if gallery.pictures or (gallery.title == "Search" and run.rounds))
