"""The errors babysit raises on purpose; the command line prints them as one line and exits with 2.

```
BabysitError                 something was refused; the message says what was expected, found, and what to do
├── InputError               an option, a file or data set is not what it has to be
├── RunFolderError           a run folder cannot be used: not a run, of a newer format, in use, not empty
├── StorageError             the disk refused a write; what was written before is still good
└── Interrupted              a signal asked to stop; everything up to here is saved
```
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class BabysitError(Exception):
    """Something was refused, in one line: what was expected, what was found, what to do.

    Example:
        >>> print(InputError("iris.csv", expected="a column 'label'", found="columns a, b", todo="use --target b"))
        iris.csv: expected a column 'label', found columns a, b; use --target b
    """

    def __init__(self, subject: str, *, expected: str, found: str, todo: str) -> None:
        super().__init__(subject, expected, found, todo)
        self.subject = subject
        self.expected = expected
        self.found = found
        self.todo = todo

    def __str__(self) -> str:
        line = f"{self.subject}: expected {self.expected}, found {self.found}; {self.todo}"
        return " ".join(line.split())

    def __reduce__(self) -> tuple[object, ...]:
        """So that it can pass from a worker process to its parent."""
        return _again, (type(self), self.subject, self.expected, self.found, self.todo)


def _again(kind: type[BabysitError], subject: str, expected: str, found: str, todo: str) -> BabysitError:
    return kind(subject, expected=expected, found=found, todo=todo)


class InputError(BabysitError):
    """An option, a file or a data set is not what it has to be."""


class RunFolderError(BabysitError):
    """A run folder cannot be used as asked."""


class StorageError(BabysitError):
    """The disk refused a write; everything written before it is still good."""


class Interrupted(Exception):  # noqa: N818 - it is no error: the user asked for it
    """A signal asked to stop; everything up to this point is saved.

    Args:
        signal_number: The signal, so that the exit code can be 128 + its number.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.signal_number = signal_number


def told(error: BaseException, most: int = 200) -> str:
    r"""What somebody else's code raised, in one line: its kind and what it says.

    Args:
        error: As it came.
        most: Characters of what it says.

    Example:
        >>> told(ValueError("too\nmany"))
        'ValueError: too many'
    """
    words = " ".join(str(error).split())
    cut = f"{words[:most]}…" if len(words) > most else words
    return f"{type(error).__name__}: {cut}" if cut else type(error).__name__


def suggest(name: str, known: Iterable[str], otherwise: str = "choose one of these names") -> str:
    """What to do about an unknown name: the known ones it is nearest to, three at most, whatever their case.

    Args:
        name: What was given.
        known: What could have been.
        otherwise: The advice where nothing is near.

    Example:
        >>> suggest("RLEU", ["relu", "tanh"])
        "did you mean 'relu'?"
        >>> suggest("swish", ["relu", "tanh"])
        'choose one of these names'
    """
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = [by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=3)]
    return f"did you mean {' or '.join(map(repr, near))}?" if near else otherwise
