from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the cache of the person who runs it."""
    home = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home / "babysit"


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """A real data set by its file name, from the folder BABYSIT_DATA; skips where there is none."""
    folder = Path(os.environ.get("BABYSIT_DATA", Path(__file__).parents[3] / "shared" / "data"))

    def find(name: str) -> Path:
        if not (folder / name).exists():
            pytest.skip(f"no {name} in {folder}; set BABYSIT_DATA")
        return folder / name

    return find


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
