from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from babysit.data.mnist import is_mnist, read_idx
from babysit.data.read import read
from babysit.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 5, 4), dtype=np.uint8)
LABELS = np.arange(30, dtype=np.uint8) % 3


def idx(array: np.ndarray) -> bytes:
    """The format as its publisher describes it, written independently of the reader."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(folder: Path, joint: str = "-", gz: bool = False) -> Path:
    for stem in ("train", "t10k"):
        for what, array in ((f"images{joint}idx3", IMAGES), (f"labels{joint}idx1", LABELS)):
            content = gzip.compress(idx(array)) if gz else idx(array)
            (folder / f"{stem}-{what}-ubyte{'.gz' if gz else ''}").write_bytes(content)
    return folder


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("joint", ["-", "."])
def test_both_spellings_gzipped_or_not(tmp_path: Path, joint: str, gz: bool) -> None:
    dataset = read(str(write(tmp_path, joint, gz)))
    assert np.array_equal(dataset.x[:30, 0], IMAGES)
    assert np.array_equal(dataset.y[30:], LABELS)
    assert dataset.fixed_test
    assert list(dataset.splits.test) == list(range(30, 60))
    assert dataset.class_names == ("0", "1", "2")
    assert dataset.x.flags.writeable


def test_test_files_may_be_missing(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    assert not read(str(tmp_path)).fixed_test
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match="expected train-labels-idx1-ubyte beside train-images-idx3-ubyte"):
        read(str(tmp_path))
    assert not is_mnist(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found the magic number of an empty file"),
        (b"\0\0\x0d\x03" + bytes(20), "found the magic number 00000d03"),
        (idx(LABELS), "found the magic number 00000801"),
        (idx(IMAGES)[:9], "found a truncated header"),
        (idx(IMAGES)[:-1], r"a header that says \(30, 5, 4\) and 599 bytes after it"),
        (idx(IMAGES) + b"x", r"a header that says \(30, 5, 4\) and more bytes after it"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31 - 1, 2**31 - 1, 1) + b"x", "and 1 bytes after it"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 5, 4), r"a header that says \(-1, 5, 4\)"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_idx(path, 3)


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(idx(IMAGES), mtime=0)[:40], gzip.compress(idx(IMAGES), mtime=0)[:-9]]
)
def test_damaged_gzip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="expected an idx file of unsigned bytes in 3 dimensions") as caught:
        read_idx(path, 3)
    assert "\n" not in str(caught.value)


def test_label_count_must_agree(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS[:-1]))
    with pytest.raises(InputError, match="expected 30 labels, found 29"):
        read(str(tmp_path))
