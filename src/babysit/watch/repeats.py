"""Which models were called before a backward pass, and whether enough of their calls were followed."""

from __future__ import annotations

from typing import TypeAlias

from babysit.measure.record import Forward

CLOSE_CALLS = 4
"""Calls of one kind before a backward pass, of which what the model's layers put out is looked at."""

Kind: TypeAlias = tuple[str, bool, tuple[int, ...]]
"""Path of a whole model that is called, its mode, and the shape of its first tensor."""


class Repeats:
    """Calls of whole models since the last backward pass, by their kind.

    Example:
        >>> repeats, kind = Repeats(), ("", True, (32, 4))
        >>> for _ in range(CLOSE_CALLS):
        ...     repeats.note(kind, Forward(0, "train", "Net", True, (32, 4)))
        >>> repeats.known(kind).model, repeats.known(("", True, (1, 4))), repeats.are_enough
        ('Net', None, False)
        >>> repeats.passed()  # now it is known what comes before a backward pass
        >>> repeats.known(kind) is None
        True
    """

    def __init__(self) -> None:
        self._calls: dict[Kind, tuple[int, Forward]] = {}
        self._usual: frozenset[Kind] = frozenset()

    def begin(self) -> None:
        """A step begins: what was called before it and led to no backward pass counts no longer."""
        self._calls = {}

    def passed(self) -> None:
        """A backward pass is over."""
        self._usual, self._calls = frozenset(self._calls), {}

    def note(self, kind: Kind, forward: Forward) -> None:
        """A call is followed."""
        self._calls[kind] = self._followed(kind) + 1, forward

    def known(self, kind: Kind) -> Forward | None:
        """The last call of a kind of which enough were followed; ``None`` while there are fewer."""
        return self._calls[kind][1] if self._followed(kind) >= CLOSE_CALLS else None

    @property
    def are_enough(self) -> bool:
        """Whether enough calls were followed of every kind that came before the last backward pass."""
        return bool(self._usual) and min(map(self._followed, self._usual)) >= CLOSE_CALLS

    def _followed(self, kind: Kind) -> int:
        return self._calls[kind][0] if kind in self._calls else 0
