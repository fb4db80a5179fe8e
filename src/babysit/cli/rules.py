"""`babysit rules` and `babysit rule CODE`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from babysit.cli._options import json_option
from babysit.cli._output import console, prepared_json, print_json
from babysit.errors import InputError, suggest

if TYPE_CHECKING:
    from rich.markdown import Markdown


def rules(
    json_file: Annotated[str | None, json_option("the list")] = None,
) -> None:
    """List the rules: code, severity, name."""
    from babysit.rules._catalogue import catalogue

    json_file = prepared_json(json_file)
    found = catalogue().values()
    print_json([{"code": rule.code, "name": rule.name, "severity": rule.severity} for rule in found], json_file)
    screen = console(json_file=json_file)
    for rule in found:
        screen.print(f"{rule.code}  {rule.severity:8} {rule.name}", markup=False)


def rule(code: Annotated[str, typer.Argument(help="Such as LOS001.", show_default=False)]) -> None:
    """Print the page of one rule."""
    from babysit.rules._catalogue import catalogue
    from babysit.rules._pages import page

    known = catalogue()
    if code.upper() not in known:
        raise InputError(
            "rule",
            expected="the code of a rule",
            found=repr(code),
            todo=suggest(code, known, "babysit rules lists them"),
        )
    from rich.markdown import Markdown

    screen, shown = console(), Markdown(page(known[code.upper()]))
    if screen.options.ascii_only:
        screen.print(_in_ascii(shown, screen.width), markup=False, end="")
    else:
        screen.print(shown)


def _in_ascii(shown: Markdown, width: int) -> str:
    """What a page looks like, for an encoding that knows none of its marks and lines."""
    import io

    from rich.console import Console

    from babysit.report.terminal import plain

    page = io.StringIO()
    Console(file=page, width=width).print(shown)
    return "".join(f"{plain(line, ascii_only=True).rstrip()}\n" for line in page.getvalue().splitlines())
