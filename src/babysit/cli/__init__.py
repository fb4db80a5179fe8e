"""The command line: parsing, printing and exit codes; one file a command, each importing what it needs when called."""

from __future__ import annotations

import sys
from typing import Any

import typer

from babysit.cli._output import fail
from babysit.cli.check import check
from babysit.cli.judge import judge
from babysit.cli.lab import lab
from babysit.cli.predict import predict
from babysit.cli.report import report
from babysit.cli.rules import rule, rules
from babysit.cli.run import run
from babysit.cli.search import search
from babysit.cli.train import train
from babysit.errors import BabysitError

# what the parser raises for an option it cannot read; the class itself has no public name
_UsageError: Any = typer.BadParameter.__mro__[1]

app = typer.Typer(
    help="Gets neural networks to train well.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(train)
app.command()(predict)
# the first word that is no option is the script, and all the rest is the script's
app.command(context_settings={"allow_interspersed_args": False})(run)
app.command(context_settings={"allow_interspersed_args": False})(check)
app.command()(search)
app.command()(report)
app.command()(judge)
app.command()(rules)
app.command()(rule)
app.command()(lab)


@app.callback(invoke_without_command=True)
def _top(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from babysit._version import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; refusals end in one line on standard error and exit code 2."""
    is_alone, hook = len(sys.argv) == 1, sys.excepthook
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        if callable(code):  # what a script is to see has to be as it was before the parser came
            sys.excepthook = hook
            code = code()
    except BabysitError as error:
        fail(str(error))
        sys.exit(2)
    except _UsageError as error:
        fail(f"{error.format_message()} (babysit --help shows the options)")
        sys.exit(2)
    except typer.Abort:
        sys.exit(130)
    sys.exit(2 if is_alone else code if isinstance(code, int) else 0)
