from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from babysit.data.npz import load_npz, load_npz_for_prediction
from babysit.data.options import ReadOptions
from babysit.data.read import read
from babysit.data.splits import TEST, TRAIN, VALIDATION
from babysit.errors import InputError

X = np.arange(24, dtype=np.float64).reshape(12, 2)
Y = np.tile([0, 1], 6)


def save(folder: Path, **arrays: np.ndarray) -> Path:
    path = folder / "toy.npz"
    np.savez(path, **arrays)
    return path


def test_four_arrays(tmp_path: Path) -> None:
    examples = load_npz(save(tmp_path, x_train=X, y_train=Y, x_test=X[:4], y_test=Y[:4]), ReadOptions())
    assert np.array_equal(examples.x, np.concatenate([X, X[:4]]))
    assert list(examples.part) == [TRAIN] * 12 + [TEST] * 4
    assert examples.feature_names == ("x0", "x1")
    dataset = read(str(save(tmp_path, x_train=X, y_train=Y, x_test=X[:4], y_test=Y[:4])))
    assert dataset.fixed_test
    assert list(dataset.splits.test) == [12, 13, 14, 15]


def test_names_in_any_case_and_validation(tmp_path: Path) -> None:
    path = save(tmp_path, X_train=X, Y_train=Y, X_val=X[:2], Y_val=Y[:2], extra=X)
    examples = load_npz(path, ReadOptions())
    assert list(examples.part) == [TRAIN] * 12 + [VALIDATION] * 2
    assert examples.notes == ("ignored arrays: extra",)


def test_two_arrays_of_images(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 5, 6, 3), dtype=np.uint8)
    dataset = read(str(save(tmp_path, x=images, y=np.repeat(["cat", "dog"], 10))))
    assert dataset.x.dtype == np.uint8
    assert np.array_equal(dataset.x, images.transpose(0, 3, 1, 2))
    assert dataset.class_names == ("cat", "dog")
    assert not dataset.fixed_test


def test_a_column_and_a_row_of_labels_agree(tmp_path: Path) -> None:
    examples = load_npz(save(tmp_path, x_train=X, y_train=Y[:, None], x_test=X, y_test=Y), ReadOptions())
    assert examples.y is not None
    assert examples.y.shape == (24,)


def test_prediction_needs_no_labels(tmp_path: Path) -> None:
    assert load_npz_for_prediction(save(tmp_path, x=X)).y is None
    assert np.array_equal(load_npz_for_prediction(save(tmp_path, new=X)).x, X)
    assert load_npz_for_prediction(save(tmp_path, x_test=X, y_test=Y)).y is not None
    assert load_npz_for_prediction(save(tmp_path, x_train=X, y_train=Y, x_test=X)).y is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": X, "b": Y}, "expected arrays x_train, y_train, x_test, y_test, or x, y, found arrays a, b"),
        ({"x": X}, "found arrays x; add y"),
        ({"x_train": X, "y_train": Y, "x_test": X}, "add y_test"),
        ({"x_test": X, "y_test": Y}, "add x_train and y_train"),
        ({"x": X, "y": Y[:5]}, "as many labels in y as examples in x, found 5 and 12"),
        ({"x": X.astype(str), "y": Y}, "expected numbers in 'x' .* found an array of <U32"),
        ({"x": X + 1j, "y": Y}, "found an array of complex128"),
        ({"x": np.float64(1), "y": Y}, "expected examples in x, found a single number"),
        ({"x": X, "y": np.where(Y > 0, np.nan, 1.0)}, "found 6 NaN or infinite, the first in row 1"),
        ({"x": X, "y": np.zeros(12)}, "one class only: '0'"),
        ({"x": np.zeros((3, 10)), "y": np.array([0, 1, 0])}, "expected at least 10 examples .* found 3 examples"),
        ({"x_train": X, "y_train": Y, "x_test": X[:, :1], "y_test": Y}, "the same shape and kind .* in every x"),
        (
            {"x_train": X.astype(np.uint8), "y_train": Y, "x_test": X, "y_test": Y},
            "found uint8 \\(2,\\) and float64 \\(2,\\); prepare all splits alike",
        ),
    ],
)
def test_unusable_arrays_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(str(save(tmp_path, **arrays)))
    assert "\n" not in str(caught.value)


class Exploit:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("exploited"),)


def test_pickles_are_refused_without_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "pickle.npz": pickle.dumps(Exploit()),
        "objects.npz": _archive(x=np.array([Exploit(), 1], dtype=object), y=Y),
    }.items():
        Path(name).write_bytes(content)
        with pytest.raises(InputError, match="found a pickle dressed as npz"):
            read(name)
    assert not Path("exploited").exists()


def _archive(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an archive written by np.savez, found an empty file"),
        (b"hello there", "found other data, starting with b'hello '"),
        (_archive(x=X, y=Y)[:200], "found a damaged one"),
        (b"PK\x03\x04 rubbish", "found a damaged one"),
        (b"\x93NUMPY\x01\x00", "found a single array, as np.save writes it"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read(str(path))
    assert "\n" not in str(caught.value)


def test_an_archive_of_other_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "toy.npz", "w") as archive:
        archive.writestr("x", "no array")
    with pytest.raises(InputError, match="found an archive of other files, such as 'x'"):
        read(str(tmp_path / "toy.npz"))


def test_an_array_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(InputError, match=r"damaged one|larger than memory"):
        read(str(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_gives_one_line_or_a_data_set(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(_archive(x=X, y=Y))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "bad.npz"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(InputError):
        read(str(path))


@pytest.mark.slow
def test_mnist(real_data: Callable[[str], Path]) -> None:
    dataset = read(str(real_data("mnist.npz")))
    assert dataset.x.shape == (70000, 1, 28, 28)
    assert dataset.class_names == tuple("0123456789")
    assert [len(dataset.splits.of(name)) for name in ("train", "validation", "test")] == [55000, 5000, 10000]
