from __future__ import annotations

import importlib
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from babysit.watch.importing import AfterImport

Package = Callable[[str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """Write a module `awaited`; the import system is afterwards as it was."""
    before = list(sys.meta_path)
    monkeypatch.syspath_prepend(tmp_path)

    def write(content: str) -> None:
        (tmp_path / "awaited.py").write_text(content)
        importlib.invalidate_caches()

    yield write
    assert sys.meta_path == before
    sys.modules.pop("awaited", None)


def test_it_calls_after_the_module_has_run(write: Package) -> None:
    write("VALUE = 5")
    seen: list[int] = []
    AfterImport("awaited", lambda: seen.append(sys.modules["awaited"].VALUE)).arm()
    import json  # noqa: F401 - another module

    assert seen == []
    module = importlib.import_module("awaited")
    assert seen == [5]
    assert "exec_module" not in vars(module.__spec__.loader)
    importlib.reload(module)
    assert seen == [5]


def test_it_calls_at_once_where_the_module_is_there() -> None:
    seen: list[str] = []
    AfterImport("sys", lambda: seen.append("sys")).arm()
    assert seen == ["sys"]


def test_a_search_does_not_count_nor_an_import_that_fails(write: Package) -> None:
    write("1 / 0")
    seen: list[str] = []
    AfterImport("awaited", lambda: seen.append("came")).arm()
    assert importlib.util.find_spec("awaited") is not None
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("awaited")
    assert seen == []
    assert "awaited" not in sys.modules
    write("'''Another length, so that no cached bytecode is taken.'''")
    importlib.import_module("awaited")
    assert seen == ["came"]


def test_waiting_can_be_given_up(write: Package) -> None:
    write("")
    seen: list[str] = []
    waiting = AfterImport("awaited", lambda: seen.append("came"))
    waiting.arm()
    spec = importlib.util.find_spec("awaited")
    waiting.disarm()
    waiting.disarm()
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    importlib.import_module("awaited")
    assert seen == []


def test_several_wait_side_by_side_and_may_import_the_module_themselves(write: Package) -> None:
    write("")
    seen: list[object] = []
    for _ in range(3):
        AfterImport("awaited", lambda: seen.append(importlib.import_module("awaited"))).arm()
    module = importlib.import_module("awaited")
    assert seen == [module] * 3


def test_a_module_that_is_nowhere(write: Package) -> None:
    waiting = AfterImport("awaited_nowhere", lambda: None)
    waiting.arm()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("awaited_nowhere")
    waiting.disarm()


def test_modules_of_an_archive_share_a_loader(write: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "modules.zip", "w") as archive:
        archive.writestr("awaited.py", "import awaited_too")
        archive.writestr("awaited_too.py", "")
    monkeypatch.syspath_prepend(tmp_path / "modules.zip")
    seen: list[str] = []
    AfterImport("awaited", lambda: seen.append("came")).arm()
    importlib.import_module("awaited")
    assert seen == ["came"]


def test_an_import_in_another_thread(write: Package) -> None:
    write("import time; time.sleep(0.05); VALUE = 1")
    seen: list[int] = []
    AfterImport("awaited", lambda: seen.append(sys.modules["awaited"].VALUE)).arm()
    threads = [threading.Thread(target=importlib.import_module, args=("awaited",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1]
