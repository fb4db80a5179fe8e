"""How a data set is to be read."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from babysit.errors import InputError

TASKS = ("classification", "regression")


@dataclass(frozen=True)
class ReadOptions:
    """How a data set is to be read; the defaults suit most.

    Attributes:
        target: The column to predict, for tables; None takes the one named target, label, class or y, else the last.
        task: ``"classification"`` or ``"regression"``; None guesses from the target and says so in the notes.
        image_size: Height and width in pixels that image files are resized to; None keeps theirs.
        skip_bad: Leave out image files that cannot be decoded instead of refusing the data set.
        seed: Decides which examples go to which split.
        validation_fraction: Share of the examples held out for validation where the source brings none.
        test_fraction: Share of the examples held out for testing where the source brings none.
        most_held_out: Examples held out for either at most; 5,000 know an accuracy to ±1.4 points at worst (95 %), and
            a large data set keeps the others for training.
        cache: Folder for decoded images; None is ``$XDG_CACHE_HOME/babysit``, else ``~/.cache/babysit``.
        progress: Called as ``(what, done, total)`` during long work.
    """

    target: str | None = None
    task: str | None = None
    image_size: tuple[int, int] | None = None
    skip_bad: bool = False
    seed: int = 0
    validation_fraction: float = 0.15
    test_fraction: float = 0.15
    most_held_out: int = 5_000
    cache: Path | None = None
    progress: Callable[[str, int, int], None] | None = None

    def report(self, what: str, done: int, total: int) -> None:
        """Tell whoever is waiting how far the work is."""
        if self.progress is not None:
            self.progress(what, done, total)

    @property
    def cache_folder(self) -> Path:
        """Where decoded images are kept."""
        if self.cache is not None:
            return self.cache
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - never raises
        return Path(home) / "babysit"


def check_options(options: ReadOptions) -> None:
    """Refuse options that no data set can satisfy.

    Raises:
        InputError: An unknown task, a negative seed, fractions that leave nothing to train on, an empty image size.
    """
    if options.task not in (None, *TASKS):
        raise InputError(
            "--task", expected=" or ".join(TASKS), found=repr(options.task), todo="leave it out to have it guessed"
        )
    if options.seed < 0:
        raise InputError("--seed", expected="0 or more", found=str(options.seed), todo="choose another seed")
    fractions = (options.validation_fraction, options.test_fraction)
    if not (min(fractions) >= 0 and sum(fractions) < 1):
        raise InputError(
            "splits",
            expected="fractions of at least 0 that leave something to train on",
            found="validation {:g} and test {:g}".format(*fractions),
            todo="use for instance 0.15 and 0.15",
        )
    if options.image_size is not None and min(options.image_size) < 1:
        height, width = options.image_size
        raise InputError(
            "--image-size", expected="at least 1x1", found=f"{height}x{width}", todo="give HEIGHTxWIDTH in pixels"
        )
