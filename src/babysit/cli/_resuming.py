"""What `--resume` goes with."""

from __future__ import annotations

import typer

from babysit.errors import InputError

_OWN = ("resume", "json_file", "quiet")


def refuse_options(context: typer.Context, what: str, again: str) -> None:
    """What goes on does so with the options it began with; others would be passed over in silence.

    Args:
        context: Of the command.
        what: It goes on with, such as ``"a run"``.
        again: What to do instead, such as ``"train anew"``.

    Raises:
        InputError: There are others.
    """
    sources = {name: context.get_parameter_source(name) for name in context.params if name not in _OWN}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given:
        raise InputError(
            "--resume",
            expected=f"no other options, as {what} goes on with its own",
            found=", ".join(f"--{name.replace('_', '-')}" for name in given),
            todo=f"leave them out, or {again}",
        )
