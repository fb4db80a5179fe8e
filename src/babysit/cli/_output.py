"""Where commands print: people's words, or JSON alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babysit.storage import strict, write_json

if TYPE_CHECKING:
    from rich.console import Console


def console(*, quiet: bool = False, json_file: str | None = None) -> Console:
    """Where a command prints for people: standard output, unless that is kept for JSON.

    Args:
        quiet: Print nothing.
        json_file: The ``--json`` option; ``-`` keeps standard output for it.
    """
    from rich.console import Console

    return Console(quiet=quiet or json_file == "-", highlight=False, soft_wrap=False)


def prepared_json(json_file: str | None, run: Path | None = None) -> str | None:
    """The file of the ``--json`` option wherever a script goes meanwhile; looked at before there is anything to lose.

    Args:
        json_file: The option.
        run: A folder that is made before the file is written, so that the file may go into it.

    Raises:
        StorageError: It could not be written at the end.
    """
    if json_file is None or json_file == "-":
        return json_file
    from babysit.cli._places import check_file

    check_file(Path(json_file), run)
    return str(Path(json_file).absolute())


def print_json(value: Any, json_file: str | None) -> None:
    """Write a JSON document to the file of the ``--json`` option, or to standard output for ``-``.

    Raises:
        StorageError: The file cannot be written.
    """
    if json_file is None:
        return
    if json_file == "-":
        # in ASCII, which every terminal and pipe can take
        sys.stdout.write(json.dumps(strict(value), indent=2, allow_nan=False) + "\n")
    else:
        write_json(Path(json_file), value)


def fail(message: str) -> None:
    """Print a refusal as one line on standard error."""
    sys.stderr.write(f"babysit: {' '.join(message.split())}\n")
