from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from babysit.data.cifar import CLASSES, is_cifar, load_cifar
from babysit.data.options import ReadOptions
from babysit.data.read import read
from babysit.data.splits import TEST
from babysit.errors import InputError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (20, 3072), dtype=np.uint8)
LABELS = [index % 10 for index in range(20)]


def write_pickles(folder: Path, batches: int = 5) -> Path:
    """As published: protocol 2, the keys of Python 2, an array of bytes, a list of integers."""
    names = [f"data_batch_{number}" for number in range(1, batches + 1)] + ["test_batch"]
    for name in names:
        value = {b"batch_label": b"x", b"labels": LABELS, b"data": PIXELS, b"filenames": [b"a.png"] * 20}
        content = pickle.dumps(value, protocol=2).replace(b"numpy._core.", b"numpy.core.")
        (folder / name).write_bytes(content)
    meta = {b"label_names": [name.upper().encode() for name in CLASSES], b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return folder


def write_binary(folder: Path) -> Path:
    records = np.concatenate([np.array(LABELS, dtype=np.uint8)[:, None], PIXELS], axis=1).tobytes()
    for name in ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"):
        (folder / name).write_bytes(records)
    (folder / "batches.meta.txt").write_text("\n".join(CLASSES) + "\n\n")
    return folder


def test_pickles(tmp_path: Path) -> None:
    dataset = read(str(write_pickles(tmp_path)))
    assert dataset.x.shape == (120, 3, 32, 32)
    assert dataset.class_names[0] == "AIRPLANE"
    assert dataset.fixed_test
    assert list(dataset.splits.test) == list(range(100, 120))
    # the first 1,024 bytes are the red plane, row by row
    assert np.array_equal(dataset.x[3, 0].ravel(), PIXELS[3, :1024])
    assert list(dataset.y[:20]) == LABELS


def test_both_formats_hold_the_same(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "b").mkdir()
    pickles = load_cifar(write_pickles(tmp_path / "p", batches=2), ReadOptions())
    binary = load_cifar(write_binary(tmp_path / "b"), ReadOptions())
    assert np.array_equal(pickles.x, binary.x)
    assert np.array_equal(pickles.y, binary.y)
    assert np.array_equal(pickles.part, binary.part)
    assert binary.class_names == CLASSES
    assert binary.x.flags.writeable


def test_a_folder_without_test_batch_and_names(tmp_path: Path) -> None:
    write_binary(tmp_path)
    (tmp_path / "test_batch.bin").unlink()
    (tmp_path / "batches.meta.txt").write_text("rubbish")
    examples = load_cifar(tmp_path, ReadOptions())
    assert not np.any(examples.part == TEST)
    assert examples.class_names == CLASSES


def test_other_folders_are_not_taken(tmp_path: Path) -> None:
    assert not is_cifar(tmp_path)


class Exploit:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch exploited",)


def test_a_malicious_batch_is_refused_without_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_pickles(tmp_path)
    Path("data_batch_3").write_bytes(pickle.dumps({b"labels": LABELS, b"data": Exploit()}, protocol=2))
    with pytest.raises(InputError, match=r"data_batch_3: .* found it calls posix.system, which no data needs"):
        read(str(tmp_path))
    Path("data_batch_3").unlink()
    Path("batches.meta").write_bytes(pickle.dumps(Exploit(), protocol=2))
    assert load_cifar(tmp_path, ReadOptions()).class_names == CLASSES
    assert not Path("exploited").exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2], "no entries 'data' and 'labels'"),
        ({b"data": PIXELS}, "no entries 'data' and 'labels'"),
        ({b"data": PIXELS[:, :7], b"labels": LABELS}, r"data of uint8 \(20, 7\)"),
        ({b"data": PIXELS, b"labels": LABELS[:3]}, r"labels of int64 \(3,\)"),
        ({b"data": PIXELS, b"labels": [10] * 20}, "expected labels from 0 to 9, found a label 10"),
    ],
)
def test_other_pickles_are_refused(tmp_path: Path, value: object, message: str) -> None:
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(value, protocol=2))
    with pytest.raises(InputError, match=message):
        read(str(tmp_path))


@pytest.mark.parametrize("size", [0, 3072, 3074])
def test_truncated_binary_batches_are_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(size))
    with pytest.raises(InputError, match="bytes, which is no whole number of records of 3,073"):
        read(str(tmp_path))
