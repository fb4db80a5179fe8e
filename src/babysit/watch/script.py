"""Runs an unmodified script as `__main__` in this process, as `python script.py` and `python -m module` do.

What the script sees and what it leaves (output, traceback, exit code) is what it would be without babysit.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import io
import os
import pkgutil
import runpy
import signal
import subprocess
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any, NoReturn

from babysit.errors import InputError, suggest
from babysit.watch.importing import AfterImport
from babysit.watch.processes import take_charge

_HERE = str(Path(__file__).parent) + os.sep
INTERRUPTED = -int(signal.SIGINT)
"""Exit code of a script that an uncaught ``KeyboardInterrupt`` has ended."""

# the interpreter's own entry to `python -m`, which has no public name
_run_module_as_main: Any = getattr(runpy, "_run_module_as_main")  # noqa: B009


def check_target(target: str, *, as_module: bool) -> None:
    """Refuse what python could not begin with, as far as that can be told without running anything.

    Args:
        target: A script, a folder or archive with a `__main__.py`, or the name of a module.
        as_module: Whether it is the name of a module.

    Raises:
        InputError: There is no such script, or it cannot be read.
    """
    path = Path(target)
    if as_module:
        if target.endswith(".py") and path.is_file():
            raise InputError(target, expected="the name of a module after -m", found="a file", todo="leave -m out")
    elif not path.exists():
        raise InputError(target, expected="a Python script", found="no such file", todo=_near(path))
    elif not os.access(path, os.R_OK):
        todo = "check its permissions"
        raise InputError(target, expected="a script that can be read", found="one that cannot be", todo=todo)
    elif path.is_dir() and not any((path / f"__main__{ending}").exists() for ending in (".py", ".pyc")):
        scripts = sorted(map(str, path.glob("[!_]*.py")))
        todo = f"name a script, such as {scripts[0]}" if scripts else "name a script"
        raise InputError(target, expected="a script, or a folder with a __main__.py", found="none there", todo=todo)


def run_script(target: str, arguments: Sequence[str], *, as_module: bool, when_torch_comes: Callable[[], None]) -> int:
    """Run a script to the end of its main thread; an uncaught exception is printed as python prints it.

    Args:
        target: The script, a folder or archive with a `__main__.py`, or the name of a module.
        arguments: The script's own.
        as_module: Whether the target is the name of a module.
        when_torch_comes: Called once, as soon as the script has imported torch; it must not raise.

    Returns:
        The exit code, 0 to 255; or ``INTERRUPTED``, as python then dies of SIGINT. Hand it to :func:`leave`.

    Raises:
        InputError: There is no such module, or nothing to run in the archive.
    """
    take_charge()
    path = os.path.join(Path.cwd(), target)  # noqa: PTH118 - as python joins it, ./ included
    is_archive = not as_module and pkgutil.get_importer(path) is not None
    namespace = _become(path, [target, *arguments], as_module=as_module, is_archive=is_archive)
    torch = AfterImport("torch", when_torch_comes)
    torch.arm()
    uncaught: BaseException | None = None
    try:
        if as_module or is_archive:
            _run_module_as_main("__main__" if is_archive else target, alter_argv=not is_archive)
        else:
            exec(_compiled(path, target, arguments), namespace)
    except BaseException as error:
        uncaught = error
    torch.disarm()
    if isinstance(uncaught, SystemExit) and _last_frame(uncaught) is _run_module_as_main.__code__:
        raise _refusal(target, str(uncaught.code), as_module=as_module)
    return 0 if uncaught is None else _exit_code(_without_babysit(uncaught))


def join_threads() -> None:
    """Wait for the script's threads, as python does when the main thread has ended."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter calls; a second time it does nothing
    except BaseException as error:
        _write(f"Exception ignored in: {threading!r}\n")
        traceback.print_exception(_without_babysit(error))


def run_exit_functions() -> None:
    """Call what the script has registered with `atexit`, as python does when all threads have ended."""
    atexit._run_exitfuncs()


def leave(code: int) -> NoReturn:
    """End the process.

    Args:
        code: What :func:`run_script` returned.
    """
    if code != INTERRUPTED:
        sys.exit(code)
    # it was printed before; the interpreter ends in its own way, and dies of the signal last
    sys.excepthook = lambda *_: None
    raise KeyboardInterrupt


def _become(path: str, argv: list[str], *, as_module: bool, is_archive: bool) -> dict[str, Any]:
    """Set up what python sets up before it runs a script; the namespace to run it in."""
    sys.argv = ["-m", *argv[1:]] if as_module else argv
    first = str(Path.cwd() if as_module else Path(path).resolve().parent)
    if is_archive:
        first = path
    if not sys.flags.safe_path:
        sys.path[:1] = [first]  # in the place of what was there for babysit itself
    elif is_archive:
        sys.path.insert(0, first)
    main = types.ModuleType("__main__")
    namespace = vars(main)
    if sys.version_info < (3, 14):
        namespace["__annotations__"] = {}
    namespace["__builtins__"] = builtins
    if not (as_module or is_archive):
        loader = SourcelessFileLoader if path.endswith(".pyc") else SourceFileLoader
        namespace.update(__loader__=loader("__main__", path), __file__=path, __cached__=None)
    sys.modules["__main__"] = main
    return namespace


def _compiled(path: str, target: str, arguments: Sequence[str]) -> CodeType:
    """The script's code; where there is none, python itself takes over, as it says best what is wrong."""
    try:
        if path.endswith(".pyc"):
            code = SourcelessFileLoader("__main__", path).get_code("__main__")
            assert code is not None
            return code
        with io.open_code(path) as file:
            source = file.read()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are printed by whoever compiles it last
            compile(source, path, "exec", dont_inherit=True)
        return compile(source, path, "exec", dont_inherit=True)
    except Exception:
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        os.execv(sys.executable, [sys.executable, *flags, target, *arguments])


def _refusal(target: str, said: str, *, as_module: bool) -> InputError:
    """The one line for what runpy would not begin with."""
    found = said.removeprefix(f"{sys.executable}: ").rstrip(".")
    if not as_module:
        todo = "name a script, or an archive with a __main__.py"
        return InputError(target, expected="something python can run", found=found, todo=todo)
    parent, _, name = target.rpartition(".")
    folders = getattr(sys.modules.get(parent), "__path__", None) if parent else [str(Path.cwd())]
    known = [module.name for module in pkgutil.iter_modules(folders)] if folders else []
    todo = suggest(name, known, "check the name, and the folder you are in")
    return InputError(f"-m {target}", expected="a module python can run", found=found, todo=todo)


def _near(path: Path) -> str:
    with contextlib.suppress(OSError):
        return suggest(path.name, [item.name for item in path.parent.glob("*.py")], "name a file, or a module with -m")
    return "check the path"


def _exit_code(error: BaseException) -> int:
    """Do with an uncaught exception what the interpreter does."""
    if isinstance(error, SystemExit):
        return _exit_code_of(error)
    failure = _print_uncaught(error)
    if isinstance(failure, SystemExit):
        return _exit_code_of(failure)
    return INTERRUPTED if type(error) is KeyboardInterrupt else 1


def _exit_code_of(error: SystemExit) -> int:
    code: Any = getattr(error, "code", error)
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(1 << 63) <= code < 1 << 63 else 0xFF
    with contextlib.suppress(Exception):
        _write(str(code))
    _write("\n")
    return 1


def _print_uncaught(error: BaseException) -> BaseException | None:
    """Hand an exception to the script's own `sys.excepthook`; what that one raised."""
    kind, trace = type(error), error.__traceback__
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    hook = getattr(sys, "excepthook", None)
    if hook is None:
        _write("sys.excepthook is missing\n")
        hook = sys.__excepthook__
    failure: BaseException | None = None
    try:
        hook(kind, error, trace)
    except BaseException as raised:
        failure = _without_babysit(raised)
    if failure is not None and not isinstance(failure, SystemExit):
        _write("Error in sys.excepthook:\n")
        sys.__excepthook__(type(failure), failure, failure.__traceback__)
        _write("\nOriginal exception was:\n")
        sys.__excepthook__(kind, error, trace)
    return failure


def _write(text: str) -> None:
    with contextlib.suppress(Exception):
        sys.stderr.write(text)


def _without_babysit(error: BaseException) -> BaseException:
    """The exception, and those that led to it, without this package's frames."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        item = waiting.pop()
        if item is None or id(item) in seen:
            continue
        seen.add(id(item))
        item.__traceback__ = _foreign(item.__traceback__)
        waiting += [item.__cause__, item.__context__]
        if isinstance(item, BaseExceptionGroup):
            waiting += item.exceptions
    return error


def _foreign(trace: TracebackType | None) -> TracebackType | None:
    kept = [item for item in _frames(trace) if not item.tb_frame.f_code.co_filename.startswith(_HERE)]
    for item, following in zip(kept, [*kept[1:], None], strict=False):
        item.tb_next = following
    return kept[0] if kept else None


def _frames(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _last_frame(error: BaseException) -> CodeType | None:
    frames = list(_frames(error.__traceback__))
    return frames[-1].tb_frame.f_code if frames else None
