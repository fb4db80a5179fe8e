"""`babysit run`: mostly with a torch that is one small file and a watcher that finds what it is told to find."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from babysit.cli._run_folder import Place, name_of

FILES = {
    "torch/__init__.py": """
        watchers = []
        def train(steps=1):
            for watcher in watchers:
                watcher.saw_backward = True
                watcher.steps += steps
        """,
    "watcher.py": """
        import json, os, sys
        def finding(code, severity):
            from babysit.rules import Evidence, Finding, Severity
            evidence = (Evidence("loss", 9.0, 3.0),)
            return Finding(code, "a-name", Severity(severity), "It is so → not.", evidence, ("lr 1 → 0.1",), "here")
        class Monitor:
            def __init__(self, *, out, command, config, live, rank, eager):
                self.folder, self.config, self.rank, self.eager = out, config, rank, eager
                self.steps, self.saw_backward = 0, False
            @property
            def notes(self):
                return ("compiled model", *(["run uncompiled"] if self.eager else [])) if self.saw_backward else ()
            def start(self):
                import torch
                torch.watchers.append(self)
                self.folder.mkdir(exist_ok=True, parents=True)
                if os.environ.get("EAGER"):
                    (self.folder / "run.json").write_text("{}")
            def close(self):
                from babysit.diagnose import Diagnosis
                from babysit.measure.record import LossBlock, RecordWriter, RunHeader, write_header
                from babysit.rules import Evidence
                if self.saw_backward:
                    write_header(self.folder, RunHeader("it"))
                    RecordWriter(self.folder).write(LossBlock(0, (2.3, float("nan"))))
                found = [item.split(":") for item in os.environ.get("FINDINGS", "").split()]
                found = [finding(*item) for item in found if not self.config.ignores(item[0])]
                return Diagnosis(tuple(found), health=(Evidence("final training loss", 0.5),), curve="falls")
        """,
    # takes the watcher's place in every process
    "sitecustomize.py": """
        import importlib.util, sys, pathlib
        path = pathlib.Path(__file__).with_name("watcher.py")
        spec = importlib.util.spec_from_file_location("babysit.watch.monitor", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules["babysit.watch.monitor"] = module
        """,
}


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


class Folder:
    """Where scripts are run."""

    def __init__(self, path: Path) -> None:
        self.path = path / "here"
        self.write("train.py", TRAIN)
        for name, content in FILES.items():
            self.write(f"../lib/{name}", content)
        search = [str(path / "lib"), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(search), "COLUMNS": "100"}
        self.environment.pop("RANK", None)

    def write(self, name: str, content: str | bytes) -> str:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        return name

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.path,
            env=self.environment | environment,
        )

    def end(self, process: subprocess.Popen[str]) -> Ended:
        out, err = process.communicate(timeout=120)
        return Ended(process.returncode, out, err)

    def python(self, *arguments: str) -> Ended:
        return self.end(self.start(*arguments))

    def run(self, *arguments: str, **environment: str) -> Ended:
        return self.end(self.start("-m", "babysit", "run", *arguments, **environment))


TRAIN = """
    import sys
    print("script", sys.argv)
    print("its errors", file=sys.stderr)
    if "--idle" not in sys.argv:
        import torch
        torch.train(1200)
    if "--fail" in sys.argv:
        raise ValueError("of the script")
    if "--exit" in sys.argv:
        sys.exit(5)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_findings_come_after_the_scripts_own_output(folder: Folder) -> None:
    ended = folder.run("train.py", "--lr", "1", FINDINGS="LOS001:error GEN001:warning")
    assert ended.code == 0
    assert ended.out == folder.python("train.py", "--lr", "1").out
    lines = ended.err.splitlines()
    assert lines[:3] == ["its errors", "babysit watched 1,200 steps:", "error LOS001 a-name"]
    assert "  try: lr 1 → 0.1" in lines
    assert lines[-5:] == [
        "1 error, 1 warning; loss curve: falls",
        "final training loss 0.5",
        "0 rules asked",
        "note: compiled model",
        "run folder: runs/train-1",
    ]
    assert (folder.path / "runs" / "train-1" / "run.json").exists()


@pytest.mark.parametrize(
    "arguments", [["--exit"], ["--fail"], ["--idle"], ["--help", "--out", "x", "-m", "--", "--json"]]
)
def test_the_script_keeps_its_output_and_its_exit_code(folder: Folder, arguments: list[str]) -> None:
    plain, ended = folder.python("train.py", *arguments), folder.run("train.py", *arguments, FINDINGS="LOS001:error")
    assert (ended.code, ended.out) == (plain.code, plain.out)
    assert ended.err.startswith(plain.err)
    assert folder.run("--quiet", "train.py", *arguments) == plain


def test_modules_and_their_arguments(folder: Folder) -> None:
    folder.write("pkg/__init__.py", "")
    folder.write("pkg/train.py", TRAIN)
    plain, ended = folder.python("-m", "pkg.train", "-m", "x"), folder.run("-m", "pkg.train", "-m", "x")
    assert (ended.code, ended.out) == (plain.code, plain.out)
    assert "run folder: runs/train-1" in ended.err
    assert folder.run("--json", "j.json", "-m", "--quiet", "pkg.train", "-m", "x").out == plain.out
    assert json.loads((folder.path / "j.json").read_text())["command"] == "babysit run -m pkg.train -m x"


@pytest.mark.parametrize(
    ("least", "found", "arguments", "code"),
    [
        ("error", "LOS001:error", [], 1),
        ("warning", "LOS001:warning", [], 1),
        ("never", "LOS001:error", [], 0),
        ("error", "LOS001:error", ["--exit"], 5),
        ("error", "LOS001:error", ["--fail"], 1),
        ("error", "LOS001:error", ["--idle"], 0),
    ],
)
def test_what_fails(folder: Folder, least: str, found: str, arguments: list[str], code: int) -> None:
    assert folder.run("--fail-on", least, "--quiet", "train.py", *arguments, FINDINGS=found).code == code


def test_json_follows_the_scripts_output_and_nothing_else(folder: Folder) -> None:
    plain, ended = folder.python("train.py"), folder.run("--json", "-", "train.py", FINDINGS="LOS001:error")
    assert ended.err == plain.err
    assert ended.out.startswith(plain.out)
    document = json.loads(ended.out.removeprefix(plain.out))
    assert document["verdict"] == "errors"
    assert [item["code"] for item in document["findings"]] == ["LOS001"]


def test_json_to_a_file_wherever_the_script_goes(folder: Folder) -> None:
    script = folder.write(
        "goes.py", "import os, sys, torch\ntorch.train()\nos.chdir('/')\nsys.stdout = open(os.devnull, 'w')\n"
    )
    ended = folder.run("--json", "j.json", script)
    assert "run folder: runs/goes-1" in ended.err
    assert json.loads((folder.path / "j.json").read_text())["findings"] == []
    ended = folder.run("--json", "-", script)
    assert json.loads(ended.out)["verdict"] == "healthy"


def test_options_and_configuration_reach_the_watcher(folder: Folder) -> None:
    found = "LOS001:error GEN001:error"
    assert "LOS001" not in folder.run("--ignore", "LOS", "train.py", FINDINGS=found).err
    folder.write("pyproject.toml", '[tool.babysit]\nignore = ["GEN"]')
    ended = folder.run("train.py", FINDINGS=found)
    assert "error LOS001" in ended.err
    assert "GEN001" not in ended.err
    assert "note: run uncompiled" not in ended.err
    assert "note: run uncompiled" in folder.run("--eager", "train.py").err


def test_every_run_gets_a_folder(folder: Folder) -> None:
    for number in (1, 2):
        assert f"run folder: runs/train-{number}\n" in folder.run("train.py").err
    assert "run folder: elsewhere/a\n" in folder.run("--out", "elsewhere/a", "train.py").err
    (folder.path / "empty").mkdir()
    assert "run folder: empty\n" in folder.run("--out", "empty", "train.py").err


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("print(1)", "babysit: torch was not imported: nothing to judge\n"),
        ("import torch", "babysit: no backward pass was seen: nothing to judge\n"),
    ],
)
def test_a_script_that_trains_nothing(folder: Folder, script: str, says: str) -> None:
    ended = folder.run(folder.write("idle.py", script))
    assert (ended.code, ended.err) == (0, says)
    assert not (folder.path / "runs").exists()
    assert folder.run("--quiet", "idle.py").err == ""


def test_the_folder_is_made_when_torch_comes(folder: Folder) -> None:
    script = folder.write(
        "look.py", "import os\nprint(os.path.exists('runs'))\nimport torch\nprint(os.listdir('runs'))"
    )
    assert folder.run(script).out == "False\n['look-1']\n"


SPAWNS = """
    import multiprocessing, torch
    def work():
        torch.train()
    if __name__ == "__main__":
        process = multiprocessing.get_context("spawn").Process(target=work)
        process.start()
        process.join()
"""


@pytest.mark.parametrize(
    ("eager", "place"), [("", r"runs/many-1/process-\d+"), ("1", r"runs/many-1/spawned/process-\d+")]
)
def test_what_spawned_processes_recorded_is_judged(folder: Folder, eager: str, place: str) -> None:
    folder.write("many.py", SPAWNS)
    ended = folder.run("--fail-on", "error", "--json", "j.json", "many.py", EAGER=eager)
    assert re.match(f"babysit watched {place}:\n", ended.err)
    assert "error LOS001" in ended.err
    assert ended.code == 1
    assert json.loads((folder.path / "j.json").read_text())["verdict"] == "errors"


def test_ranks_of_one_launch_share_a_folder_and_the_first_one_tells(folder: Folder) -> None:
    def launch(**more: str) -> list[Ended]:
        environment = {"WORLD_SIZE": "3", "MASTER_PORT": "29500", **more}
        started = [
            folder.start("-m", "babysit", "run", "train.py", RANK=str(rank), FINDINGS="LOS001:error", **environment)
            for rank in range(3)
        ]
        return [folder.end(process) for process in started]

    first, *others = launch()
    assert "run folder: runs/train-1" in first.err
    assert [other.err for other in others] == ["its errors\n"] * 2
    assert [item.name for item in (folder.path / "runs").iterdir()] == ["train-1"]
    launch(TORCHELASTIC_RUN_ID="another")
    assert sorted(item.name for item in (folder.path / "runs").iterdir()) == ["train-1", "train-2"]


def test_a_restart_of_a_launch_is_not_refused(folder: Folder) -> None:
    folder.write("out/run.json", "{}")
    ended = folder.run("--out", "out", "train.py", RANK="0", TORCHELASTIC_RESTART_COUNT="2")
    assert "run folder: out/restart-2\n" in ended.err


def test_a_launcher_is_told_how_to_be_watched(folder: Folder) -> None:
    folder.write("../lib/torch/distributed/__init__.py", "")
    folder.write("../lib/torch/distributed/run.py", "")
    ended = folder.run("-m", "torch.distributed.run", "train.py")
    assert "torchrun [OPTIONS] -m babysit run SCRIPT [ARGS]" in ended.err


def test_a_watcher_that_fails_leaves_the_script_alone(folder: Folder) -> None:
    folder.write("../lib/watcher.py", "class Monitor:\n    def __init__(self, **_): 1 / 0\n")
    ended = folder.run("--fail-on", "error", "--json", "j.json", "train.py")
    assert ended.code == 0
    assert ended.err == "babysit: the training is not watched: ZeroDivisionError: division by zero\nits errors\n" or (
        ended.err == "its errors\nbabysit: the training is not watched: ZeroDivisionError: division by zero\n"
    )
    assert not (folder.path / "j.json").exists()


def test_a_summary_that_fails_leaves_the_exit_code_alone(folder: Folder) -> None:
    path = folder.path.parent / "lib" / "watcher.py"
    path.write_text(path.read_text().replace('Evidence("final training loss", 0.5),', "5,"))
    ended = folder.run("train.py", "--exit")
    assert ended.code == 5
    assert ended.err.splitlines()[-1].startswith("babysit: what was seen cannot be told: AttributeError")


def test_a_result_that_cannot_be_written_at_the_end(folder: Folder) -> None:
    folder.write("blocks.py", "import os, torch\ntorch.train()\nos.mkdir('j.json')\n")
    ended = folder.run("--json", "j.json", "blocks.py")
    assert ended.code == 2
    assert "j.json: expected to be able to write there" in ended.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_as_they_end_python(folder: Folder, number: signal.Signals) -> None:
    folder.write("wait.py", "import time, torch\ntorch.train()\nprint('ready', flush=True)\ntime.sleep(60)\n")
    process = folder.start("-m", "babysit", "run", "wait.py")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    ended = folder.end(process)
    assert ended.code == -number
    assert ("babysit watched 1 step:" in ended.err) == (number == signal.SIGINT)


def test_a_forked_child_tells_nothing(folder: Folder) -> None:
    folder.write("fork.py", "import os, torch\ntorch.train()\nif os.fork(): os.wait()\n")
    assert folder.run("fork.py").err.count("babysit watched") == 1


def test_on_a_terminal_everything_is_where_it_belongs(folder: Folder) -> None:
    folder.write(
        "train.py",
        "import sys, torch\nprint('out', type(sys.stdout).__name__)\ntorch.train()\nprint('in?', input('? '))",
    )
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "babysit", "run", "train.py"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder.path,
        env=folder.environment | {"TERM": "xterm", "NO_COLOR": "1"},
        start_new_session=True,
    )
    os.close(slave)
    os.write(master, b"yes\n")
    shown = b""
    with contextlib.suppress(OSError):  # everybody else has closed it
        while True:
            shown += os.read(master, 4096)
    os.close(master)
    assert process.wait(60) == 0
    text = re.sub(r"\x1b\[[0-9;]*[a-zA-Z]", "", shown.decode())
    assert "in? yes" in text
    assert "run folder: runs/train-1" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["trian.py"], "trian.py: expected a Python script, found no such file; did you mean 'train.py'?"),
        (["nowhere/x.py"], "nowhere/x.py: expected a Python script, found no such file; name a file"),
        (
            ["pkg"],
            "pkg: expected a script, or a folder with a __main__.py, found none there; name a script, such as pkg/a",
        ),
        (["empty.zip"], "empty.zip: expected something python can run, found can't find '__main__' module"),
        (
            ["-m", "pkg.alhpa"],
            "-m pkg.alhpa: expected a module python can run, found No module named pkg.alhpa; did you",
        ),
        (["-m", "trian"], "found No module named trian; did you mean 'train'?"),
        (["-m", "pkg"], "No module named pkg.__main__; 'pkg' is a package and cannot be directly executed"),
        (["-m", "nowhere.x"], "found Error while finding module specification for 'nowhere.x'"),
        (["-m", "train.py"], "train.py: expected the name of a module after -m, found a file; leave -m out"),
        (
            ["--out", "full", "train.py"],
            "full: expected a new or empty folder, found files in it; choose another --out",
        ),
        (["--out", "train.py", "train.py"], "train.py: expected to be able to write there, found not a directory"),
        (["--out", "train.py/x", "train.py"], "train.py/x: expected to be able to write there, found"),
        (["--json", "nowhere/j", "train.py"], "nowhere/j: expected to be able to write there, found no folder"),
        (["--json", "train.py/j", "train.py"], "train.py/j: expected to be able to write there, found no folder"),
        (["--json", "full", "train.py"], "full: expected to be able to write there, found a folder"),
        (["--fail-on", "eror", "train.py"], "did you mean 'error'?"),
        (["--select", "LOS01", "train.py"], "--select: expected codes of rules"),
        (["--lr", "1", "train.py"], "No such option"),
        ([], "Missing argument"),
    ],
)
def test_bad_input_is_one_line(refused: Callable[..., str], tmp_path: Path, arguments: list[str], says: str) -> None:
    for name in ("train.py", "pkg/__init__.py", "pkg/alpha.py", "full/file"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("print('never')")
    (tmp_path / "pkg" / "__init__.py").write_text("")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("x.py", "")
    assert says in refused("run", *arguments)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_permissions(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "train.py").touch(0)
    assert "found one that cannot be" in refused("run", "train.py")
    (tmp_path / "locked").mkdir(mode=0o500)
    (tmp_path / "other.py").touch()
    assert "may not be written" in refused("run", "--out", "locked/x", "other.py")


@pytest.mark.parametrize("content", [b"def f(:\n", b"x = '\xff'\n", b"\x00\x01"])
def test_what_is_no_python_is_refused_by_python_itself(folder: Folder, content: bytes) -> None:
    folder.write("odd.py", content)
    assert folder.run("odd.py", "x") == folder.python("odd.py", "x")


def test_nothing_of_the_parser_is_left(folder: Folder) -> None:
    folder.write(
        "look.py",
        "import sys\nprint(sys.excepthook is sys.__excepthook__, sys.argv, sys.path, sys.exc_info())",
    )
    assert folder.run("--quiet", "look.py") == folder.python("look.py")


def test_help_is_quick_and_needs_no_torch(folder: Folder) -> None:
    code = """
        import sys
        from babysit.cli import main
        sys.argv = ["babysit", "run", "--help"]
        try:
            main()
        except SystemExit:
            print(sorted(sys.modules))
    """
    ended = folder.python("-c", textwrap.dedent(code))
    assert ended.out.startswith("Usage: babysit run [OPTIONS]")
    assert not {"'torch'", "'numpy'", "'multiprocessing'"} & set(re.findall(r"'\w+'", ended.out.splitlines()[-1]))


def test_names() -> None:
    assert name_of("a b/c d.py", as_module=False) == "c-d"
    assert name_of("pkg.sub.train", as_module=True) == "train"
    assert name_of(".", as_module=False) == Path.cwd().name
    assert name_of("é.py", as_module=False) == "run"


def test_a_folder_is_reserved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RANK", raising=False)
    place = Place(None, "x")
    place.check()
    first = place.reserve()
    assert place.reserve() == first == tmp_path / "runs" / "x-1"
    other = Place(None, "x")
    assert other.reserve().name == "x-2"
    (first / "run.json").touch()
    (first / "steps.jsonl").write_text("{}")
    place.discard_unused()
    other.discard_unused()
    assert [item.name for item in (tmp_path / "runs").iterdir()] == ["x-1"]
    assert place.shown == Path("runs/x-1")
    assert other.shown is None


REAL = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=1e9)
x, y = torch.randn(64, 10), torch.randint(0, 3, (64,))
for step in range(30):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("last loss", loss.item())
"""


def test_a_real_training_that_explodes(babysit: Any, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(REAL)
    ended = babysit.run("run", "--fail-on", "error", "--json", "j.json", "train.py", cwd=tmp_path)
    assert ended.out == "last loss nan\n"
    assert "babysit watched 30 steps:" in ended.err
    assert "error " in ended.err
    assert ended.code == 1
    found = json.loads((tmp_path / "j.json").read_text())
    assert found["verdict"] == "errors"
    again = babysit.run("judge", "runs/train-1", "--json", "-", cwd=tmp_path)
    assert json.loads(again.out)["findings"] == found["findings"]
    lines = (tmp_path / "runs" / "train-1" / "findings.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == found["findings"]


def test_a_real_script_without_a_training(babysit: Any, tmp_path: Path) -> None:
    (tmp_path / "idle.py").write_text("import torch\nprint(torch.ones(2).sum().item())\n")
    ended = babysit.run("run", "idle.py", cwd=tmp_path)
    assert (ended.code, ended.out) == (0, "2.0\n")
    assert ended.err == "babysit: no backward pass was seen: nothing to judge\n"
    assert not (tmp_path / "runs").exists()


def test_a_real_error_looks_as_it_does_without_babysit(babysit: Any, tmp_path: Path) -> None:
    script = tmp_path / "wrong.py"
    script.write_text("import torch\nx = torch.ones(2, requires_grad=True)\n(x * 2).backward()\n")
    plain = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    ended = babysit.run("run", "--quiet", script, cwd=tmp_path)
    assert (ended.code, ended.out, ended.err) == (plain.returncode, plain.stdout, plain.stderr)
