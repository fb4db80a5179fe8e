from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from babysit.data.options import ReadOptions


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the cache of the person who runs it."""
    home = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home / "babysit"


@pytest.fixture
def options() -> ReadOptions:
    return ReadOptions()


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write ``count`` random PNGs into each of the given folders under a new root."""

    def write(folders: list[str], count: int = 8, size: tuple[int, int] = (6, 5), mode: str = "RGB") -> Path:
        root = tmp_path / "images"
        rng = np.random.default_rng(0)
        for folder in folders:
            (root / folder).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                shape = size if mode == "L" else (*size, 3)
                pixels = rng.integers(0, 256, shape, dtype=np.uint8)
                Image.fromarray(pixels).save(root / folder / f"{index}.png")
        return root

    return write
