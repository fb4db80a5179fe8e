"""A section of the lecture and its claims, each with the experiment that measures it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import torch

from babysit.data import Dataset, read
from babysit.lab.measures import Measure
from babysit.rules import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUICK_SEEDS, FULL_SEEDS = 2, 5
"""How many seeds a random experiment has."""

T = TypeVar("T")


class Verdict(StrEnum):
    """What came of a claim."""

    HOLDS = "holds"
    SUBTLE = "more subtle"
    FAILS = "does not hold"
    BROKEN = "not measured"


@dataclass(frozen=True)
class Bench:
    """What an experiment may use: how long it may take, its seeds, its data.

    Attributes:
        quick: Smaller and shorter, so that all claims take minutes on two cores.
        seeds: Of the random experiments; each gives one value of a measure.
        cifar10: CIFAR-10 as ``babysit train`` reads it; ``None`` lets digits stand in.
    """

    quick: bool = False
    seeds: tuple[int, ...] = tuple(range(FULL_SEEDS))
    cifar10: Path | None = None

    def pick(self, quick: T, full: T) -> T:
        """One of two sizes."""
        return quick if self.quick else full

    def images(self) -> Dataset:
        """CIFAR-10 where it was given, scikit-learn's digits otherwise; raw pixels of 0 to 255."""
        return read("digits") if self.cifar10 is None else read(str(self.cifar10))

    @staticmethod
    def generator(seed: int) -> torch.Generator:
        """Random numbers of an experiment's own."""
        return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Drawing:
    """A picture that is drawn when it is wanted.

    Attributes:
        name: Of its files, such as ``"saturation"``; its claim's id comes before it.
        title: What it shows, as a sentence with its numbers.
        draw: Draws into an empty figure; the title is set above it by whoever calls.
        size: Width and height in inches.
        finding: The finding that belongs to the picture, shown below it.
    """

    name: str
    title: str
    draw: Callable[[Figure], None]
    size: tuple[float, float] = (6.4, 3.6)
    finding: Finding | None = None


@dataclass(frozen=True)
class Outcome:
    """What an experiment found.

    Attributes:
        measures: The measured numbers, the decisive one first.
        drawings: Its pictures.
        findings: What the rules said about its trainings.
        subtle: Why the claim is neither simply right nor wrong here, with numbers; ``""`` lets the measures decide.
        note: Anything a reader has to know, such as the data that stood in.
    """

    measures: Sequence[Measure]
    drawings: Sequence[Drawing] = ()
    findings: Sequence[Finding] = ()
    subtle: str = ""
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """Whether the claim holds: every judged measure is as expected."""
        if self.subtle:
            return Verdict.SUBTLE
        return Verdict.FAILS if any(measure.holds is False for measure in self.measures) else Verdict.HOLDS


Run: TypeAlias = Callable[[Bench], Outcome]


@dataclass(frozen=True)
class Claim:
    """One row of the lecture: what it says, and how it is measured.

    Attributes:
        id: Such as ``"A1"``.
        says: The claim in short.
        expected: What the measurement should show, in words.
        run: The experiment.
        cost: Rough seconds on one core; the long ones are begun first.
    """

    id: str
    says: str
    expected: str
    run: Run
    cost: float = 1.0

    @property
    def section(self) -> str:
        """Its section's letter."""
        return self.id[0]

    @property
    def example(self) -> str:
        """How to see it in a few lines of Python: the example in the experiment's docstring."""
        _, _, text = inspect.cleandoc(self.run.__doc__ or "").partition("Example:\n")
        return inspect.cleandoc(text)


@dataclass
class Section:
    """A section of the lecture; its claims register themselves.

    Args:
        letter: Such as ``"A"``.
        title: Such as ``"Activation functions"``.
        about: What the section is about, in a sentence or two.
    """

    letter: str
    title: str
    about: str
    claims: list[Claim] = field(default_factory=list)

    def claim(self, id_: str, says: str, *, expected: str, cost: float = 1.0) -> Callable[[Run], Run]:
        """Register the experiment below as the measurement of a claim.

        Args:
            id_: Such as ``"A1"``.
            says: The claim in short.
            expected: What the measurement should show, in words.
            cost: Rough seconds on one core, in full.
        """
        if not re.fullmatch(rf"{self.letter}[1-9]\d*", id_):
            raise ValueError(f"{id_} is no id of section {self.letter}")

        def register(run: Run) -> Run:
            self.claims.append(Claim(id_, says, expected, run, cost))
            self.claims.sort(key=lambda claim: int(claim.id[1:]))
            return run

        return register
