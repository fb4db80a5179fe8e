from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from babysit.data import image_cache, image_pipeline
from babysit.data.image_files import open_images
from babysit.data.image_pipeline import Request, decode_images
from babysit.data.options import ReadOptions
from babysit.errors import InputError

Folder = Callable[..., Path]
ANY = Request("test")


def run(root: Path, request: Request = ANY, **options: object) -> image_cache.Decoded:
    with open_images(root) as files:
        return decode_images(files, files.paths, request, ReadOptions(**options))  # type: ignore[arg-type]


def expected(root: Path, paths: tuple[str, ...]) -> np.ndarray:
    return np.stack([np.asarray(Image.open(root / path).convert("RGB")).transpose(2, 0, 1) for path in paths])


@pytest.mark.parametrize("threads", [1, 4])
def test_all_images_in_order(image_folder: Folder, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(image_pipeline, "CHUNK", 3)
    monkeypatch.setattr(image_pipeline, "SMALL", 0 if threads > 1 else 1 << 30)
    monkeypatch.setattr(image_pipeline, "_cores", lambda: threads)
    root = image_folder(["a", "b"], count=20)
    events: list[tuple[str, int, int]] = []
    decoded = run(root, progress=lambda *event: events.append(event))
    assert len(decoded.paths) == 40
    assert np.array_equal(decoded.x, expected(root, decoded.paths))
    assert events[0] == ("reading image headers", 3, 40)
    assert events[-1] == ("decoding images", 40, 40)


def test_channels_follow_the_images(image_folder: Folder) -> None:
    root = image_folder(["a"], mode="L")
    assert run(root).x.shape == (8, 1, 6, 5)
    assert run(root, Request("colour", channels=3)).x.shape == (8, 3, 6, 5)
    image_folder(["b"], mode="RGB")
    assert run(root).x.shape == (16, 3, 6, 5)


def test_mixed_sizes_are_refused_with_the_most_common(image_folder: Folder) -> None:
    root = image_folder(["a"], count=2, size=(6, 5))
    image_folder(["b"], count=5, size=(7, 9))
    message = r"'a/0.png' of 6x5 and 'b/0.png' of 7x9 \(height x width\); resize all with --image-size 7x9"
    with pytest.raises(InputError, match=message):
        run(root)
    assert run(root, Request("size", size=(4, 3))).x.shape == (7, 3, 4, 3)


def break_header(path: Path) -> None:
    path.write_bytes(b"no image")


def break_pixels(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("damage", [break_header, break_pixels])
@pytest.mark.parametrize("large", [False, True])
def test_a_corrupt_image_is_refused_or_skipped(
    image_folder: Folder, monkeypatch: pytest.MonkeyPatch, own_cache: Path, damage: Callable[[Path], None], large: bool
) -> None:
    monkeypatch.setattr(image_cache, "available_memory", lambda: 0 if large else 1 << 40)
    root = image_folder(["cat", "dog"])
    damage(root / "cat/3.png")
    with pytest.raises(InputError, match=r"found 'cat/3.png' \(.+\); repair or remove it, .* --skip-bad"):
        run(root)
    assert not list(own_cache.glob("*")) or not large
    decoded = run(root, skip_bad=True)
    assert isinstance(decoded.x, np.memmap) == large
    assert [path for path, _ in decoded.skipped] == ["cat/3.png"]
    assert "cat/3.png" not in decoded.paths
    assert np.array_equal(decoded.x, expected(root, decoded.paths))
    again = run(root, skip_bad=True)
    assert (again.paths, again.skipped) == (decoded.paths, decoded.skipped)
    assert np.array_equal(again.x, decoded.x)


def test_nothing_but_corrupt_images(image_folder: Folder) -> None:
    root = image_folder(["cat"], count=2)
    for path in root.rglob("*.png"):
        break_header(path)
    with pytest.raises(InputError, match="found none among 2 files"):
        run(root, skip_bad=True)


def test_the_second_time_nothing_is_decoded(image_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    root = image_folder(["cat", "dog"])
    first = run(root)
    decoded: list[int] = []
    monkeypatch.setattr(image_pipeline, "_decode_anew", lambda *_: decoded.append(1) or first)
    assert np.array_equal(run(root).x, first.x)
    assert not decoded
    break_header(root / "cat/0.png")  # changed: decoded anew
    run(root)
    assert decoded


def test_no_cache_folder_is_no_obstacle(image_folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    root = image_folder(["cat"])
    assert len(run(root, cache=tmp_path / "file").x) == 8


def test_what_fits_nowhere_is_refused(image_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    for module in (image_cache, image_pipeline):
        monkeypatch.setattr(module, "available_memory", lambda: 100)
    with pytest.raises(InputError, match="expected room for the pixels in memory or in the cache folder"):
        run(image_folder(["cat"]), cache=tmp_path / "file")
