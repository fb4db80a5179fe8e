"""`babysit check`: what is wrong with a training before it begins."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from babysit.cli._options import FailOn, Quiet, json_option
from babysit.cli._output import console, fail, prepared_json, print_json
from babysit.cli._verdict import check_fail_on, fails, with_options
from babysit.errors import BabysitError, InputError

if TYPE_CHECKING:
    from rich.console import Console

    from babysit.preflight import Report
    from babysit.preflight.borrowed import ScriptCapture
    from babysit.preflight.subject import Subject
    from babysit.rules._config import Config


def check(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A training script, as it is; or FILE.py:FUNCTION or MODULE:FUNCTION that returns (model, loss_fn, "
            "batch or loader), perhaps with an optimizer.",
            show_default=False,
        ),
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGS", help="The script's own.", show_default=False)
    ] = None,
    as_module: Annotated[bool, typer.Option("-m", help="TARGET is the name of a module, as in python -m.")] = False,
    select: Annotated[
        str | None,
        typer.Option(help="Ask these rules alone, such as PRE001,DAT.", show_default=False),
    ] = None,
    ignore: Annotated[
        str | None, typer.Option(help="Leave out what these rules say, such as PRE003,INI.", show_default=False)
    ] = None,
    seconds: Annotated[float, typer.Option(help="About what all of it may take.")] = 5.0,
    fail_on: FailOn = "error",
    json_file: Annotated[str | None, json_option("checks and findings")] = None,
    quiet: Quiet = False,
) -> Callable[[], NoReturn] | None:
    """Check model, loss, data and optimizer before training; a script is stopped before its first update."""
    from babysit.preflight.target import is_function
    from babysit.rules._config import read_config

    check_fail_on(fail_on)
    if not seconds > 0:
        raise InputError("--seconds", expected="a number above 0", found=f"{seconds:g}", todo="leave it out for 5")
    config = with_options(read_config(Path.cwd()), select, ignore)
    json_file = prepared_json(json_file)
    given = tuple(arguments or ())
    command = shlex.join(["babysit", "check", *(["-m"] if as_module else []), target, *given])
    asked = _Asked(target, given, as_module, command, config, seconds, fail_on, json_file, quiet)
    if is_function(target) and not as_module:
        raise typer.Exit(asked.check_function())
    from babysit.watch.script import check_target

    check_target(target, as_module=as_module)
    return asked.check_script


@dataclass(frozen=True)
class _Asked:
    """What was asked for on the command line."""

    target: str
    arguments: tuple[str, ...]
    as_module: bool
    command: str
    config: Config
    seconds: float
    fail_on: str
    json_file: str | None
    quiet: bool

    def check_function(self) -> int:
        """Check what a function gives; the exit code."""
        from babysit.preflight import check as check_model
        from babysit.preflight.target import load

        found = load(self.target)
        report = check_model(
            found.model, found.loss_fn, found.batch, found.optimizer, seconds=self.seconds, config=self.config
        )
        return self.tell(report)

    def check_script(self) -> NoReturn:
        """Run a script until its first update; the process ends there, so that nothing of the script comes after."""
        from babysit.watch.script import run_script

        # torch may be imported only by the script, which sets up what it needs before
        capture: list[ScriptCapture] = []

        def begin() -> None:
            from babysit.preflight.borrowed import ScriptCapture

            def found(subject: Subject) -> None:
                self._checked(subject, listening.explained)

            listening = ScriptCapture(found, self._refused)
            listening.start()
            capture.append(listening)

        output = sys.stdout
        if self.json_file == "-":  # standard output is for JSON alone
            sys.stdout = sys.stderr
        code = run_script(self.target, self.arguments, as_module=self.as_module, when_torch_comes=begin)
        sys.stdout = output
        fail(str(_never(self.target, capture[0] if capture else None, code)))
        self._end(2)

    def tell(self, report: Report) -> int:
        """Print the report; the exit code."""
        from babysit.report.checks import render_report

        screen: Console = console(quiet=self.quiet, json_file=self.json_file)
        render_report(report, screen)
        print_json(report.to_json(self.command), self.json_file)
        return 1 if fails(report.diagnosis, self.fail_on) else 0

    def _checked(self, subject: Subject, explained: Callable[[BabysitError], BabysitError]) -> None:
        from babysit.preflight.api import check_subject

        sys.stdout.flush()
        if self.json_file == "-":
            sys.stdout = sys.__stdout__
        try:
            self._end(
                self.tell(
                    check_subject(subject, [subject.batch, *subject.others], seconds=self.seconds, config=self.config)
                )
            )
        except BabysitError as error:
            self._refused(explained(error))

    def _refused(self, error: BabysitError) -> None:
        fail(str(error))
        self._end(2)

    @staticmethod
    def _end(code: int) -> NoReturn:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _never(target: str, capture: object, code: int) -> InputError:
    """Why a script was never caught before its first update."""
    todo = "check FILE.py:FUNCTION instead"
    if code:
        found = f"it ended with exit code {code} before its first update"
    elif capture is None:
        found = "it ended without torch"
    elif not getattr(capture, "saw_backward", False):
        found = "it ended without a backward pass"
    elif getattr(capture, "waits_for_step", False):
        found = "it ended without a step of the optimizer that holds the model's parameters"
        todo = "call optimizer.step() after the backward pass"
    else:
        found = "no model (torch.nn.Module) was called before the backward pass"
    return InputError(target, expected="a script that trains a model", found=found, todo=todo)
