"""Options that several commands have, so that they mean and say the same everywhere."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def json_option(what: str) -> Any:
    """The option ``--json`` of a command.

    Args:
        what: It writes, as the help says it.
    """
    return typer.Option("--json", help=f"Write {what} as JSON ('-': standard output).")


JsonFindings = Annotated[str | None, json_option("the findings")]
JsonReport = Annotated[str | None, json_option("the report")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing.")]
Select = Annotated[
    str | None,
    typer.Option(help="Ask these rules alone, such as LOS,GEN001; overrules the configuration.", show_default=False),
]
Ignore = Annotated[
    str | None, typer.Option(help="Leave out what these rules say, such as LOS003,GEN.", show_default=False)
]
FailOn = Annotated[str, typer.Option(help="End with 1 for a finding as bad as this: error, warning, info, never.")]
