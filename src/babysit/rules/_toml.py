"""Values of a TOML file that know where they stand, so that a wrong one can be named."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babysit.errors import InputError

_LONGEST = 60


@dataclass(frozen=True, slots=True)
class TomlValue:
    """A value, its file and its dotted key."""

    file: Path
    key: str
    value: Any

    @property
    def subject(self) -> str:
        """Where it stands, as a message begins with it."""
        return f"{self.file}, {self.key}"

    def items(self, expected: str = "a table") -> Iterator[tuple[str, TomlValue]]:
        """Names and values of a table.

        Raises:
            InputError: It is none.
        """
        if not isinstance(self.value, dict):
            raise self.refused(expected, f"write it as a [{self.key}] table")
        for name, value in self.value.items():
            yield name, TomlValue(self.file, f"{self.key}.{name}", value)

    def texts(self, expected: str) -> list[str]:
        """The strings of a list.

        Raises:
            InputError: It is no list of strings.
        """
        if not isinstance(self.value, list) or not all(isinstance(item, str) for item in self.value):
            raise self.refused(expected, 'write it like ["LOS", "GEN001"]')
        return list(self.value)

    def refused(self, expected: str, todo: str) -> InputError:
        """The error that says what stands here instead of what was expected."""
        found = repr(self.value)
        shown = found if len(found) <= _LONGEST else f"{found[:_LONGEST]}…"
        return InputError(self.subject, expected=expected, found=shown, todo=todo)


def read_table(file: Path, *keys: str) -> TomlValue | None:
    """What stands at ``keys`` of a TOML file; ``None`` where there is no such file or nothing there.

    Raises:
        InputError: The file is there and cannot be read, or is no TOML.
    """
    try:
        value: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(file, (error.strerror or str(error)).lower(), "make it readable") from error
    except (ValueError, RecursionError) as error:  # bad UTF-8 and bad TOML are both ValueErrors
        raise _unreadable(file, str(error), "correct it there") from error
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return None if value is None else TomlValue(file, ".".join(keys), value)


def _unreadable(file: Path, found: str, todo: str) -> InputError:
    return InputError(str(file), expected="a readable TOML file", found=found, todo=todo)
