"""Rounds of a search: how many trials each has and how long they train."""

from __future__ import annotations

from dataclasses import dataclass

COARSE_LENGTH = 1 / 8
"""Length of the coarse trials as a share of the longest; the fine ones take ``FINE_LENGTH`` of it."""
FINE_LENGTH = 2 / 5
FINE_SHARE = 0.4
"""Share of the trials before the final round that are for the fine one."""
TWO_FINE_ROUNDS = 40
"""Trials from which the fine ones are two rounds, the second around the best of the first."""
COARSE_HALVINGS, FINE_HALVINGS = 2, 1
SHORTEST_TRIAL = 20
"""Steps below which a trial says nothing."""
FINALISTS = 6
"""Trials of the final round, where there are trials enough."""


@dataclass(frozen=True)
class RoundPlan:
    """One round: how many trials, how long, and how often the worse half is dropped.

    Attributes:
        name: ``"coarse"``, ``"fine"`` or ``"final"``.
        trials: How many.
        epochs: How long the longest of them train; may be a fraction.
        halvings: How many times the worse half is dropped on the way.
    """

    name: str
    trials: int
    epochs: float
    halvings: int = 0

    @property
    def cost(self) -> float:
        """What it costs, as a share of training all its trials to the end."""
        return 2.0**-self.halvings * (1 + self.halvings / 2)

    def most_epochs(self, trials: int) -> float:
        """Epochs that so many of its trials train when none is stopped; of an odd number the larger half goes on.

        Example:
            >>> RoundPlan("fine", 5, 4.0, halvings=1).most_epochs(5)
            16.0
        """
        done, total, alive = 0.0, 0.0, trials
        for halving in range(self.halvings, -1, -1):
            rung = self.epochs / 2**halving
            total += alive * (rung - done)
            done, alive = rung, -(-alive // 2)
        return total


def plan_rounds(trials: int, epochs: float, steps_per_epoch: int, *, final: int | None = None) -> tuple[RoundPlan, ...]:
    """Divide trials over the rounds of a search.

    Args:
        trials: In all rounds together.
        epochs: Of the final round's trials; others are shorter, yet of twenty steps at least.
        steps_per_epoch: Steps in one pass over the training split.
        final: Trials of the final round; six by default, a third of all at most.

    Example:
        >>> [(plan.name, plan.trials, plan.epochs) for plan in plan_rounds(64, 10, 200)]
        [('coarse', 35, 1.2), ('fine', 14, 4.0), ('fine', 9, 4.0), ('final', 6, 10)]
    """
    final = final_trials(trials, FINALISTS) if final is None else final
    coarse, fine = short_trials(trials, final)
    shortest = min(SHORTEST_TRIAL / steps_per_epoch, epochs)
    later = round(fine * 0.4) if trials >= TWO_FINE_ROUNDS else 0
    fine_epochs = _rounded(max(FINE_LENGTH * epochs, shortest))
    rounds = (
        RoundPlan("coarse", coarse, _rounded(max(COARSE_LENGTH * epochs, shortest)), COARSE_HALVINGS),
        RoundPlan("fine", fine - later, fine_epochs, FINE_HALVINGS),
        RoundPlan("fine", later, fine_epochs, FINE_HALVINGS),
        RoundPlan("final", final, epochs),
    )
    return tuple(plan for plan in rounds if plan.trials > 0)


def short_trials(trials: int, final: int) -> tuple[int, int]:
    """How many trials are for the coarse round and how many for the fine one."""
    fine = round((trials - final) * FINE_SHARE)
    return trials - final - fine, fine


def final_trials(trials: int, most: int) -> int:
    """Of the final round: a third of the trials at most; none of so few that one repeated is one less tried."""
    return min(most, trials // 3) if trials >= 6 else 0


def weight_of(trials: int, final: int) -> float:
    """What the rounds cost in trainings of full length."""
    coarse, fine = short_trials(trials, final)
    coarse_cost = RoundPlan("coarse", coarse, 1, COARSE_HALVINGS).cost * COARSE_LENGTH
    return coarse * coarse_cost + fine * RoundPlan("fine", fine, 1, FINE_HALVINGS).cost * FINE_LENGTH + final


def _rounded(epochs: float) -> float:
    """To two significant digits, for a reader's sake."""
    return float(f"{epochs:.2g}")
