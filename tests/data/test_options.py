from __future__ import annotations

from pathlib import Path

import pytest

from babysit.data.options import ReadOptions, check_options
from babysit.errors import InputError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ReadOptions(task="ranking"), "--task: expected classification or regression, found 'ranking'"),
        (ReadOptions(seed=-1), "--seed: expected 0 or more, found -1"),
        (ReadOptions(validation_fraction=0.5, test_fraction=0.5), "found validation 0.5 and test 0.5"),
        (ReadOptions(validation_fraction=-0.1), "found validation -0.1"),
        (ReadOptions(test_fraction=float("nan")), "test nan"),
        (ReadOptions(image_size=(0, 32)), "--image-size: expected at least 1x1, found 0x32"),
    ],
)
def test_impossible_options_are_refused(options: ReadOptions, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_options(options)


def test_defaults_are_accepted() -> None:
    check_options(ReadOptions())


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert ReadOptions().cache_folder == Path("/somewhere/babysit")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert ReadOptions().cache_folder == Path("/home/me/.cache/babysit")
    assert ReadOptions(cache=Path("here")).cache_folder == Path("here")


def test_progress_is_optional() -> None:
    seen: list[tuple[str, int, int]] = []
    ReadOptions().report("work", 1, 2)
    ReadOptions(progress=lambda *event: seen.append(event)).report("work", 1, 2)
    assert seen == [("work", 1, 2)]
