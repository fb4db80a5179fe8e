"""A script that babysit runs against the same script under `python`: output, errors and exit code are the same."""

from __future__ import annotations

import os
import py_compile
import re
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

TIMEOUT = 60
# what `babysit run` does around a script, without the time that its parser takes
DRIVER = """
import sys
from babysit.watch.script import check_target, join_threads, leave, run_exit_functions, run_script
def came():
    with open(__file__ + ".came", "a") as file:
        file.write("x" if "torch" in sys.modules else "-")
target, *arguments = sys.argv[1:]
as_module = target == "-m"
if as_module:
    target, *arguments = arguments
check_target(target, as_module=as_module)
code = run_script(target, arguments, as_module=as_module, when_torch_comes=came)
join_threads()
run_exit_functions()
leave(code)
"""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


class Place:
    """A folder to run scripts in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "here"
        self.folder.mkdir()
        self.driver = folder / "driver.py"
        self.driver.write_text(DRIVER)

    @property
    def times_torch_came(self) -> int:
        noted = Path(f"{self.driver}.came")
        return len(noted.read_text()) if noted.exists() else 0

    def write(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        return name

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=environment,
        )

    def both(self, *arguments: str, flags: Sequence[str] = (), text: str = "") -> Ended:
        """Run with and without babysit; what both leave."""
        processes = [
            self.start(*flags, *arguments),
            self.start(*flags, str(self.driver), *arguments),
        ]
        ends = []
        for process in processes:
            out, err = process.communicate(text, timeout=TIMEOUT)
            ends.append(Ended(process.returncode, *(re.sub("0x[0-9a-f]+", "0x", text) for text in (out, err))))
        plain, watched = ends
        assert watched == plain
        return plain


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


LOOK = """
    '''What a script finds.'''
    import sys
    names = ["__name__", "__file__", "__package__", "__cached__", "__doc__", "__annotations__", "__builtins__"]
    for name in names:
        print(name, repr(globals().get(name, "none")))
    print(__spec__ and (__spec__.name, __spec__.origin, __spec__.parent), type(__loader__), list(globals())[:9])
    print(sys.argv, sys.path, sys.modules["__main__"].__dict__ is globals(), __debug__)
    print(sys.excepthook is sys.__excepthook__, sys.exc_info(), sys.getrecursionlimit(), sys.stdout, sys.flags)
    print("torch" in sys.modules, "numpy" in sys.modules, "multiprocessing" in sys.modules)
"""


@pytest.mark.parametrize(
    "arguments", [("look.py",), ("./look.py", "--help", "--out", "x", "--", "-m"), ("a/../look.py",)]
)
def test_what_a_script_finds(place: Place, arguments: tuple[str, ...]) -> None:
    place.write("a/other.py", "")
    place.write("look.py", LOOK)
    assert "'__main__'" in place.both(*arguments).out


def test_a_script_somewhere_else_and_one_behind_a_link(place: Place) -> None:
    place.write("far/look.py", LOOK + "    import beside\n")
    place.write("far/beside.py", "print(__name__)")
    (place.folder / "link.py").symlink_to("far/look.py")
    assert place.both("far/look.py").out.endswith("beside\n")
    assert place.both("link.py").out.endswith("beside\n")
    assert place.both(str(place.folder / "far" / "look.py"), "é", "\udcff").code == 0


@pytest.mark.parametrize("flags", [("-O",), ("-OO",), ("-P",), ("-I",), ("-u",), ("-X", "utf8=0"), ("-W", "error")])
def test_flags_of_the_interpreter_stay(place: Place, flags: tuple[str, ...]) -> None:
    assert place.both(place.write("look.py", LOOK), flags=flags).code == 0


def test_modules_packages_folders_and_archives(place: Place) -> None:
    place.write("pkg/__init__.py", "print('package', __name__)")
    place.write("pkg/beside.py", "NAME = __name__")
    place.write("pkg/train.py", LOOK + "    from . import beside\n    print(beside.NAME)\n")
    place.write("pkg/__main__.py", LOOK + "    from .beside import NAME\n    print(NAME)\n")
    place.write("folder/__main__.py", LOOK + "    import beside\n")
    place.write("folder/beside.py", "print(__name__)")
    with zipfile.ZipFile(place.folder / "all.zip", "w") as archive:
        archive.write(place.folder / "folder" / "__main__.py", "__main__.py")
        archive.write(place.folder / "folder" / "beside.py", "beside.py")
    for arguments in (["-m", "pkg.train", "-m", "x"], ["-m", "pkg", "--json", "-"]):
        assert place.both(*arguments).out.endswith("pkg.beside\n")
    for target in ("folder", "./folder/", "all.zip"):
        assert place.both(target, "-q").out.endswith("beside\n")
        assert place.both(target, flags=["-P"]).code == 0


def test_a_compiled_script(place: Place) -> None:
    place.write("look.py", LOOK)
    py_compile.compile(str(place.folder / "look.py"), cfile=str(place.folder / "look.pyc"), doraise=True)
    assert place.both("look.pyc").code == 0


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("sys.exit(3)", 3),
        ("sys.exit()", 0),
        ("sys.exit(-1)", 255),
        ("sys.exit(True)", 1),
        ("sys.exit(2**40 + 3)", 3),
        ("sys.exit('that is all')", 1),
        ("sys.exit((1, 'é'))", 1),
        ("exit(4)", 4),
        ("class Done(SystemExit): pass\nraise Done(7)", 7),
        ("raise SystemExit", 0),
        ("import os; os._exit(9)", 9),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("class Stop(KeyboardInterrupt): pass\nraise Stop('now')", 1),
        ("import argparse; argparse.ArgumentParser().parse_args(['--lr'])", 2),
        ("sys.stderr.close()", 0),
        ("sys.stdout.close()", 0),
        ("sys.stderr = None; 1 / 0", 1),
    ],
)
def test_how_a_script_ends(place: Place, end: str, code: int) -> None:
    assert place.both(place.write("end.py", f"import sys\nprint('so far')\n{end}\n")).code == code


ERRORS = {
    "plain": "def f(x):\n    return 1 / x\nf(0)",
    "chained": "try:\n    {}['a']\nexcept KeyError as error:\n    raise ValueError('é') from error",
    "context": "try:\n    {}['a']\nexcept KeyError:\n    int('x')",
    "group": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ExceptionGroup('all', [e, ValueError(1)])",
    "note": "e = ValueError('x')\ne.add_note('and more')\nraise e",
    "elsewhere": "import beside\nbeside.fail()",
    "import": "import nowhere.at_all",
    "syntax beside": "import wrong",
    "unprintable": "class E(Exception):\n    def __str__(self): 1 / 0\nraise E",
    "generator": "raise GeneratorExit",
    "base": "class E(BaseException): pass\nraise E('x')",
    "own hook": "import sys\nsys.excepthook = lambda *a: print('caught', a[:2], a[2].tb_lineno)\n1 / 0",
    "bad hook": "import sys\ndef hook(*a): {}['a']\nsys.excepthook = hook\n1 / 0",
    "ending hook": "import sys\nsys.excepthook = lambda *a: sys.exit(5)\n1 / 0",
    "no hook": "import sys\ndel sys.excepthook\n1 / 0",
    "interrupted hook": "import sys\nsys.excepthook = lambda *a: print('stopped')\nraise KeyboardInterrupt",
    "thread": "import threading\nthreading.Thread(target=lambda: 1 / 0).start()",
    "warning": "import warnings\nwarnings.warn('careful')\nwarnings.warn('older', DeprecationWarning)",
    "exit function": "import atexit\natexit.register(lambda: 1 / 0)",
    "post mortem": "import atexit, sys\natexit.register(lambda: print(sys.last_value, sys.last_type))\n1 / 0",
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_goes_wrong_in_a_script(place: Place, name: str) -> None:
    place.write("beside.py", "def fail():\n    raise RuntimeError('beside')\n")
    place.write("wrong.py", "def f(:\n")
    script = place.write("wrong_somewhere.py", ERRORS[name])
    ended = place.both(script)
    assert "babysit" not in ended.err
    place.both("-m", script.removesuffix(".py"))


@pytest.mark.parametrize(
    "content",
    [
        b"print('a')\nprint 'b'\n",
        b"if True:\nprint(1)\n",
        b"x = '\xff'\n",
        b"# coding: latin-1\nprint(ascii('\xe9'))\n",
        b"# coding: klingon\n",
        b"\xef\xbb\xbfprint('bom')\r\n",
        b"print(1)\x00\n",
        b"\x7fELF\x02\x01\x01\x00\x00",
        b"print('\\d')\n",
        b"print('\\d')\nx = = 1\n",
        b"x = 1 is 1\n",
        b"return 5\n",
        b"",
    ],
)
def test_what_is_hardly_a_script(place: Place, content: bytes) -> None:
    script = place.write("odd.py", content)
    place.both(script)
    place.both(script, flags=["-O", "-W", "error"])


def test_the_order_in_which_things_end(place: Place) -> None:
    script = place.write(
        "order.py",
        """
        import atexit, sys, threading, time
        class Last:
            def __del__(self): print("global is gone")
        last = Last()
        atexit.register(print, "exit function 1")
        atexit.register(print, "exit function 2")
        def work():
            time.sleep(0.2)
            print("thread is done", threading.main_thread().is_alive())
            atexit.register(print, "exit function 3")
        threading.Thread(target=work).start()
        threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
        print("main is done")
        if sys.argv[1:]:
            raise ValueError(sys.argv[1])
        """,
    )
    assert place.both(script).out.splitlines() == [
        "main is done",
        "thread is done False",
        "exit function 3",
        "exit function 2",
        "exit function 1",
        "global is gone",
    ]
    assert place.both(script, "wrong").code == 1


def test_standard_input_is_the_scripts(place: Place) -> None:
    script = place.write("ask.py", "import sys\nprint(input('name? '))\nprint(sys.stdin.read().upper())")
    assert place.both(script, text="Ada\nand more\n").out == "name? Ada\nAND MORE\n\n"


def test_what_is_written_past_python_comes_in_order(place: Place) -> None:
    script = place.write(
        "raw.py", "import os, sys\nos.write(1, b'1')\nsys.stdout.buffer.write(b'2\\xff'[:1])\nprint('3')"
    )
    assert place.both(script).out == "123\n"


PROCESSES = """
    import multiprocessing, os, sys
    class Thing:
        def __init__(self, x): self.x = x
    def work(thing):
        print("in", __name__, type(thing).__module__, flush=True)
        return thing.x * 2
    def end():
        sys.exit(3)
    if __name__ == "__main__":
        context = multiprocessing.get_context(sys.argv[1])
        with context.Pool(1) as pool:
            print(pool.map(work, [Thing(1), Thing(2)]), flush=True)
        process = context.Process(target=end)
        process.start()
        process.join()
        print(process.exitcode, process.name)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_processes_of_the_script(place: Place, method: str) -> None:
    script = place.write("many.py", PROCESSES)
    assert "[2, 4]\n3 " in place.both(script, method).out
    place.both("-m", "many", method)


def test_a_forked_child_goes_the_scripts_way(place: Place) -> None:
    script = place.write(
        "fork.py",
        """
        import os, sys
        child = os.fork()
        if child:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        else:
            raise SystemExit(4)
        """,
    )
    assert place.both(script).out == "4\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("handled", [False, True])
def test_signals_are_the_scripts(place: Place, number: signal.Signals, handled: bool) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("ignored here and in all that is started from here, as under nohup")
    script = place.write(
        "wait.py",
        f"""
        import signal, sys, time
        if {handled}:
            signal.signal({int(number)}, lambda *_: sys.exit(11))
        print(signal.getsignal({int(number)}), flush=True)
        time.sleep(60)
        """,
    )
    ends = []
    for command in ([script], [str(place.driver), script]):
        process = place.start(*command)
        assert process.stdout is not None
        said = process.stdout.readline().split(" at 0x")[0]
        time.sleep(0.2)  # until it sleeps
        process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT)
        ends.append((process.returncode, said, out, err))
    assert ends[0] == ends[1]
    assert ends[0][0] == (11 if handled else -number)


TORCH = """
    import os
    print("threads", os.environ.get("OMP_NUM_THREADS"))
    import torch.nn
    {then}
"""


def test_torch_comes_when_the_script_imports_it(place: Place) -> None:
    place.write("torch/__init__.py", TORCH.format(then=""))
    place.write("torch/nn.py", "print('parts')")
    script = place.write(
        "train.py",
        """
        import importlib, importlib.util, os, sys
        hooks = len(sys.meta_path)
        os.environ["OMP_NUM_THREADS"] = "7"
        print("torch" in sys.modules, importlib.util.find_spec("torch").name)
        if sys.argv[1:]:
            import torch
            print(vars(torch.__loader__), torch.__spec__.loader is torch.__loader__, type(torch.__loader__).__name__)
            import torch.nn
            importlib.reload(torch)
            print(sorted(vars(torch)))
        """,
    )
    place.both(script)
    assert place.times_torch_came == 0
    assert "threads 7" in place.both(script, "yes").out
    assert place.times_torch_came == 1


@pytest.mark.parametrize("error", ["ImportError('libcudart.so')", "ValueError('NumPy is too old')", "SystemExit(3)"])
def test_a_torch_that_cannot_be_imported(place: Place, error: str) -> None:
    place.write("torch/__init__.py", TORCH.format(then=f"if not os.environ.get('FIXED'): raise {error}"))
    place.write("torch/nn.py", "")
    place.write("beside.py", "import torch")
    for line in ("import torch", "import beside", "from torch import nn", "import torch.nn"):
        assert "babysit" not in place.both(place.write("train.py", line)).err
    again = """
        import os, sys, traceback
        try:
            import torch
        except BaseException:
            traceback.print_exc()
        assert "torch" not in sys.modules
        os.environ["FIXED"] = "1"
        import torch
        """
    assert place.times_torch_came == 0
    assert place.both(place.write("again.py", again)).code == 0
    assert place.times_torch_came == 1


def test_what_a_wrong_loss_leaves_in_a_traceback_is_the_scripts_alone(place: Place) -> None:
    """Frames of the watcher's wrappers, as they stand between the script's and torch's, are left out."""
    place.write("torch/__init__.py", "def backward():\n    raise RuntimeError('no graph') from ValueError('x')\n")
    script = place.write("train.py", "import torch\ndef step():\n    torch.backward()\nstep()\n")
    wrapper = place.folder.parent / "wrapper.py"
    wrapper.write_text("def wrap(call):\n    def backward():\n        return call()\n    return backward\n")
    place.driver.write_text(
        DRIVER.replace(
            "def came():",
            f"""
def came():
    import torch, babysit.watch.script as script
    here = str(script._HERE)
    code = compile(open({str(wrapper)!r}).read(), here + "attach.py", "exec")
    names = {{}}
    exec(code, names)
    torch.backward = names["wrap"](torch.backward)
""",
        )
    )
    assert "in step" in place.both(script).err
