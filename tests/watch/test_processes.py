"""Which processes are watched, with a torch that is one small file and a watcher that notes what is asked of it."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from babysit.rules._config import Config
from babysit.watch import processes
from babysit.watch.processes import Assignment, Session, WatchSpawned

FILES = {
    "torch/__init__.py": """
        watchers = []
        def train():
            for watcher in watchers:
                watcher.see()
        """,
    "torch/multiprocessing/__init__.py": "",
    "torch/multiprocessing/spawn.py": """
        import multiprocessing
        def _wrap(function, i, args, error_file):
            function(i, *args)
        def spawn(function, args=(), nprocs=1, method="spawn"):
            context = multiprocessing.get_context(method)
            all = [context.Process(target=_wrap, args=(function, i, args, "")) for i in range(nprocs)]
            for process in all: process.start()
            for process in all: process.join()
        """,
    "torch/utils/__init__.py": "",
    "torch/utils/data/_utils/__init__.py": "",
    "torch/utils/data/_utils/worker.py": "def _worker_loop(function): function()",
    "torch/utils/data/__init__.py": """
        import multiprocessing
        from torch.utils.data._utils import worker
        def load(function, method):
            process = multiprocessing.get_context(method).Process(target=worker._worker_loop, args=(function,))
            process.start()
            process.join()
        """,
    "watcher.py": """
        import json, os, pathlib
        NOTES = pathlib.Path(__file__).parent / "notes"
        class Monitor:
            def __init__(self, *, out, command, config, live, rank, eager):
                self.folder, self.rank, self.pid, self.saw_backward = out, rank, os.getpid(), False
                self.note("made", command=command, ignore=list(config.ignore), out=out.name, rank=rank)
            def note(self, what, **more):
                NOTES.mkdir(exist_ok=True)
                with (NOTES / f"{self.pid}.jsonl").open("a") as file:
                    file.write(json.dumps({"what": what, "same": os.getpid() == self.pid, **more}) + "\\n")
            def start(self):
                import torch
                torch.watchers.append(self)
                self.folder.mkdir(parents=True, exist_ok=True)
                (self.folder / ("run.json" if not self.rank else f"rank-{self.rank}.jsonl")).touch()
                self.note("started")
            def see(self):
                if os.getpid() == self.pid:  # as the real one: it sees nothing in a forked child
                    self.note("saw")
                    self.saw_backward = True
            def close(self):
                self.note("closed")
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
    "driver.py": """
        import os, pathlib, sys
        from babysit.rules._config import Config
        from babysit.watch.processes import Assignment, Session, WatchSpawned, forked, new_monitor
        from babysit.watch.script import join_threads, leave, run_exit_functions, run_script
        assignment = Assignment("babysit run it", Config(ignore=("GEN",)), pathlib.Path(__file__).parent / "run")
        session = Session(lambda: new_monitor(assignment))
        spawned = WatchSpawned(lambda: Assignment("", assignment.config, assignment.folder / "spawned"))
        spawned.arm()
        code = run_script(sys.argv[1], sys.argv[2:], as_module=False, when_torch_comes=session.begin)
        if forked():
            leave(code)
        join_threads()
        spawned.disarm()
        session.end()
        run_exit_functions()
        leave(code)
        """,
}


class Folder:
    """Runs a script by `driver.py`; what the watchers noted, process by process, the script's own first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name, content in FILES.items():
            self.write(name, content)

    def write(self, name: str, content: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content))

    def run(self, script: str, *arguments: str, watched: bool = True, **environment: str) -> tuple[str, str]:
        self.write("script.py", script)
        search = os.pathsep.join([str(self.path), *filter(None, [os.environ.get("PYTHONPATH")])])
        ended = subprocess.run(
            [sys.executable, *([str(self.path / "driver.py")] if watched else []), "script.py", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
            cwd=self.path,
            env={**os.environ, "PYTHONPATH": search, **environment},
        )
        return ended.stdout, ended.stderr

    def notes(self) -> list[list[dict[str, Any]]]:
        """What every watcher noted, in the order in which they were made."""
        files = sorted((self.path / "notes").glob("*.jsonl"), key=lambda file: file.stat().st_ctime_ns)
        return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]

    def lives(self) -> list[tuple[int | None, list[str]]]:
        """Rank and what happened, of every watcher."""
        return sorted(
            ((notes[0]["rank"], [note["what"] for note in notes]) for notes in self.notes()),
            key=lambda item: -1 if item[0] is None else item[0],
        )


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


LIFE = ["made", "started", "saw", "closed"]
IDLE = ["made", "started", "closed"]


def test_the_script_itself(folder: Folder) -> None:
    folder.run("import torch\ntorch.train()")
    (notes,) = folder.notes()
    assert [note["what"] for note in notes] == LIFE
    assert notes[0] | {"same": True} == notes[0]
    assert (notes[0]["command"], notes[0]["ignore"], notes[0]["out"]) == ("babysit run it", ["GEN"], "run")


def test_a_script_without_torch(folder: Folder) -> None:
    folder.run("print(1)")
    assert folder.notes() == []


SPAWNS = """
    import os, sys, torch.multiprocessing.spawn
    def work(i, text):
        os.write(1, f"rank {i} {text} {__name__}\\n".encode())
        import torch
        torch.train()
    if __name__ == "__main__":
        torch.multiprocessing.spawn.spawn(work, ("é",), 2, sys.argv[1])
        print("all are done")
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_spawned_trainings_are_watched_by_rank(folder: Folder, method: str) -> None:
    out, err = folder.run(SPAWNS, method)
    plain = folder.run(SPAWNS, method, watched=False)
    assert (sorted(out.splitlines()), err) == (sorted(plain[0].splitlines()), plain[1])
    assert folder.lives() == [(None, IDLE), (0, LIFE), (1, LIFE)]
    assert {note["out"] for notes in folder.notes() for note in notes if "out" in note} == {"run", "spawned"}
    assert all(note["same"] for notes in folder.notes() for note in notes)


def test_forked_trainings_are_not_watched(folder: Folder) -> None:
    folder.run(SPAWNS, "fork")
    mine = folder.lives()[0]
    assert mine[0] is None
    assert len(folder.notes()) == 1


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_data_workers_are_not_watched(folder: Folder, method: str) -> None:
    script = """
        import sys, torch.utils.data
        def work():
            torch.train()
        if __name__ == "__main__":
            torch.utils.data.load(work, sys.argv[1])
            torch.train()
    """
    folder.run(script, method)
    assert [notes[-1]["what"] for notes in folder.notes()] == ["closed"]


def test_any_other_spawned_process_gets_a_folder_of_its_own(folder: Folder) -> None:
    script = """
        import multiprocessing
        def work():
            import torch
            torch.train()
        def idle():
            pass
        if __name__ == "__main__":
            context = multiprocessing.get_context("spawn")
            for target in (work, idle):
                process = context.Process(target=target)
                process.start()
                process.join()
                assert process.exitcode == 0
    """
    folder.run(script)
    (notes,) = folder.notes()
    assert [note["what"] for note in notes] == LIFE
    assert notes[0]["rank"] is None
    assert notes[0]["out"].startswith("process-")


def test_the_rank_of_the_environment_counts(folder: Folder) -> None:
    script = """
        import multiprocessing, os
        def work():
            import torch
            torch.train()
        if __name__ == "__main__":
            for rank in range(2):
                os.environ["RANK"] = str(rank)
                process = multiprocessing.get_context("spawn").Process(target=work)
                process.start()
                process.join()
    """
    folder.run(script)
    assert folder.lives() == [(0, LIFE), (1, LIFE)]


def test_a_run_that_is_there_already_is_not_written_into(folder: Folder) -> None:
    folder.write("run/spawned/run.json", "{}")
    folder.write("run/spawned/rank-1.jsonl", "")
    folder.run(SPAWNS, "spawn")
    outs = [notes[0]["out"] for notes in folder.notes()]
    assert sorted(out.split("-")[0] for out in outs) == ["process", "process", "run"]


def test_processes_started_by_spawned_ones(folder: Folder) -> None:
    script = """
        import multiprocessing, torch
        context = multiprocessing.get_context("spawn")
        def inner():
            torch.train()
        def outer():
            process = context.Process(target=inner)
            process.start()
            process.join()
        if __name__ == "__main__":
            process = context.Process(target=outer)
            process.start()
            process.join()
    """
    folder.run(script)
    assert sorted(map(str, (life for _, life in folder.lives()))) == sorted(map(str, [IDLE, IDLE, LIFE]))
    trained = next(notes[0]["out"] for notes in folder.notes() if len(notes) == len(LIFE))
    assert [item.name for item in (folder.path / "run" / "spawned").glob("process-*")] == [trained]


def test_how_spawned_processes_end(folder: Folder) -> None:
    script = """
        import multiprocessing, os, sys, torch
        def fail(): raise ValueError("in the child")
        def leave(): sys.exit(3)
        def vanish(): os._exit(4)
        def forks():
            if os.fork() == 0:
                torch.train()
                sys.exit(5)
            print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
        if __name__ == "__main__":
            for target in (fail, leave, vanish, forks):
                process = multiprocessing.get_context("spawn").Process(target=target)
                process.start()
                process.join()
                print(process.exitcode, flush=True)
    """
    assert folder.run(script) == folder.run(script, watched=False)
    assert [notes[-1]["what"] for notes in folder.notes()].count("closed") == 4
    assert all(note["same"] for notes in folder.notes() for note in notes)


def test_a_watcher_that_fails_is_told_once_and_the_process_goes_on(folder: Folder) -> None:
    folder.write("watcher.py", "class Monitor:\n    def __init__(self, **_):\n        raise OSError('disk full')\n")
    out, err = folder.run("import torch\ntorch.train()\nprint('done')")
    assert out == "done\n"
    assert err == "babysit: the training is not watched: OSError: disk full\n"


def test_processes_in_which_babysit_cannot_be_imported_start_all_the_same() -> None:
    payload = pickle.dumps({"babysit": processes._Stowaway(pickle.dumps(1))})
    code = (
        "import pickle, sys\n"
        "sys.modules['babysit'] = None\n"
        f"print(pickle.loads({payload!r}), 'babysit.watch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("{'babysit': None} False\n", "")


def test_what_was_patched_is_given_back() -> None:
    from multiprocessing import spawn

    before = spawn.get_preparation_data
    watch = WatchSpawned(lambda: Assignment("", Config(), Path()))
    watch.arm()
    assert spawn.get_preparation_data is not before
    assert "babysit" in spawn.get_preparation_data("x")
    watch.disarm()
    assert spawn.get_preparation_data is before


def test_an_assignment_that_cannot_be_made_keeps_nobody_from_starting() -> None:
    from multiprocessing import spawn

    def refuse() -> Assignment:
        raise OSError("disk full")

    watch = WatchSpawned(refuse)
    watch.arm()
    try:
        assert "babysit" not in spawn.get_preparation_data("x")
    finally:
        watch.disarm()


def test_a_watcher_that_fails_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    class Failing:
        def start(self) -> None: ...

        def close(self) -> None:
            raise ValueError("no\nway")

    processes.take_charge()
    session = Session(Failing)  # type: ignore[arg-type]
    assert session.end() is None
    session.begin()
    assert session.end() is None
    assert session.failed
    assert capsys.readouterr().err == "babysit: the training is not watched: ValueError: no way\n"
