"""`babysit run`: an unmodified training script, watched."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TextIO

import typer

from babysit.cli._options import FailOn, Ignore, JsonFindings, Select
from babysit.cli._output import fail, prepared_json
from babysit.cli._verdict import check_fail_on, fails, with_options
from babysit.errors import BabysitError

if TYPE_CHECKING:
    from babysit.cli._run_folder import Place
    from babysit.diagnose import Diagnosis
    from babysit.rules._config import Config
    from babysit.watch.processes import Assignment, Session


def run(
    script: Annotated[
        str, typer.Argument(metavar="SCRIPT", help="A training script, as it is; a module with -m.", show_default=False)
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARGS", help="All the rest is the script's own.", show_default=False),
    ] = None,
    as_module: Annotated[bool, typer.Option("-m", help="SCRIPT is the name of a module, as in python -m.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="New run folder; runs/NAME-N by default.", show_default=False)
    ] = None,
    select: Select = None,
    ignore: Ignore = None,
    fail_on: FailOn = "never",
    json_file: JsonFindings = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing beside what the script prints.")] = False,
    eager: Annotated[
        bool,
        typer.Option(
            "--eager",
            help="Run compiled models uncompiled at sampled steps, to see inside; the last digits then differ.",
        ),
    ] = False,
) -> Callable[[], NoReturn]:
    """Run a training script as it is, watch it, and say what is wrong; its output and exit code stay its own."""
    from babysit.cli._run_folder import Place, name_of
    from babysit.rules._config import read_config
    from babysit.watch.script import check_target

    check_fail_on(fail_on)
    check_target(script, as_module=as_module)
    place = Place(out, name_of(script, as_module=as_module))
    place.check()
    json_file = prepared_json(json_file)
    given = tuple(arguments or ())
    return ScriptRun(
        target=script,
        arguments=given,
        as_module=as_module,
        place=place,
        command=shlex.join(["babysit", "run", *(["-m"] if as_module else []), script, *given]),
        config=with_options(read_config(Path.cwd()), select, ignore),
        fail_on=fail_on,
        json_file=json_file,
        quiet=quiet,
        eager=eager,
    )


@dataclass(frozen=True)
class ScriptRun:
    """A script that is about to be run; called when the parser's frames are gone."""

    target: str
    arguments: tuple[str, ...]
    as_module: bool
    place: Place
    command: str
    config: Config
    fail_on: str
    json_file: str | None
    quiet: bool
    eager: bool

    def __call__(self) -> NoReturn:
        """Run it, say what was seen, and end the process as it would have ended without babysit."""
        from babysit.watch.live import LiveLine
        from babysit.watch.processes import Assignment, Session, WatchSpawned, forked, launched_rank, new_monitor
        from babysit.watch.script import INTERRUPTED, join_threads, leave, run_exit_functions, run_script

        rank = launched_rank()
        output, errors = sys.stdout, sys.stderr
        is_told = not (self.quiet or self.json_file == "-" or rank)
        live = LiveLine() if is_told else None

        def assignment() -> Assignment:
            return Assignment(self.command, self.config, self.place.reserve(), rank, self.eager)

        session = Session(lambda: new_monitor(assignment(), live))
        spawned = WatchSpawned(lambda: self._for_spawned(assignment()))
        spawned.arm()
        try:
            code = run_script(self.target, self.arguments, as_module=self.as_module, when_torch_comes=session.begin)
            if forked():
                leave(code)
            join_threads()
        finally:
            spawned.disarm()
            if live is not None:
                live.close()
        try:
            own = session.end()
            run_exit_functions()
            asked = 0
            if not (rank or session.failed):
                asked = self._tell(session, own, output, errors if is_told else None)
        except KeyboardInterrupt:  # somebody does not want to wait for this
            asked = INTERRUPTED
        leave(code or asked)

    def _for_spawned(self, assignment: Assignment) -> Assignment:
        return dataclasses.replace(assignment, folder=self.place.for_spawned())

    def _tell(self, session: Session, own: Diagnosis | None, output: TextIO, errors: TextIO | None) -> int:
        """Say what was seen; the exit code that this asks for."""
        from babysit.cli._run_summary import collect, print_nothing_seen, print_seen, write_document, write_findings

        try:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
            seen = collect(session, own, self.place, self.config)
            write_findings(seen)
            if not seen:
                self.place.discard_unused()
            if errors is not None and seen:
                print_seen(seen, session.watcher.notes if session.watcher else (), self.place, errors)
            elif errors is not None:
                print_nothing_seen(session, self.target if self.as_module else "", errors)
            with contextlib.redirect_stdout(output):
                write_document(seen, self.command, self.json_file)
            return int(any(fails(item.diagnosis, self.fail_on) for item in seen))
        except BabysitError as error:
            fail(str(error))
            return 2
        except Exception as error:  # the script has done its work all the same
            fail(f"what was seen cannot be told: {type(error).__name__}: {error}")
            return 0
