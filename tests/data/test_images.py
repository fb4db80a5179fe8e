from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from babysit.data.options import ReadOptions
from babysit.data.read import read, read_for_prediction
from babysit.errors import InputError

Folder = Callable[..., Path]


def zipped(root: Path, top: str = "") -> Path:
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in root.rglob("*.png"):
            archive.write(file, Path(top) / file.relative_to(root))
        archive.writestr(f"__MACOSX/{top}/._0.png", b"junk")
    return path


def test_class_folders(image_folder: Folder) -> None:
    root = image_folder(["dog", "cat"])
    dataset = read(str(root))
    assert (dataset.name, dataset.kind, dataset.task) == ("images", "image", "classification")
    assert dataset.x.shape == (16, 3, 6, 5)
    assert dataset.class_names == ("cat", "dog")
    assert list(dataset.y) == [0] * 8 + [1] * 8
    assert not dataset.fixed_test
    assert np.array_equal(dataset.x[9].transpose(1, 2, 0), np.asarray(Image.open(root / "dog/1.png")))


@pytest.mark.parametrize("top", ["", "pets"])
def test_a_zip_holds_the_same_as_its_folder(image_folder: Folder, top: str) -> None:
    root = image_folder(["train/cat", "train/dog", "test/cat", "test/dog"])
    folder, archive = read(str(root)), read(str(zipped(root, top)))
    assert np.array_equal(folder.x, archive.x)
    assert np.array_equal(folder.y, archive.y)
    for split in ("train", "validation", "test"):
        assert np.array_equal(folder.splits.of(split), archive.splits.of(split))
    assert folder.fixed_test
    assert len(folder.splits.test) == 16


def test_validation_folders_are_kept(image_folder: Folder) -> None:
    root = image_folder(["train/cat", "train/dog", "valid/cat", "valid/dog"])
    dataset = read(str(root))
    assert list(dataset.splits.validation) == list(range(16, 32))
    assert not dataset.fixed_test
    assert len(dataset.splits.test) == 2


def test_images_outside_class_folders_are_noted(image_folder: Folder) -> None:
    root = image_folder(["train/cat", "train/dog", "test"])
    dataset = read(str(root))
    assert dataset.notes == ("ignored 8 images outside class folders",)
    assert not dataset.fixed_test


def test_sizes_and_skipping(image_folder: Folder) -> None:
    root = image_folder(["cat", "dog"])
    (root / "cat/3.png").write_bytes(b"junk")
    dataset = read(str(root), ReadOptions(skip_bad=True, image_size=(3, 4)))
    assert dataset.x.shape == (15, 3, 3, 4)
    assert dataset.notes == ("skipped 1 corrupt image: cat/3.png",)
    assert list(dataset.y) == [0] * 7 + [1] * 8


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["."], "expected a folder for each class with its images inside, found 8 images and no class folder"),
        (["cat"], "expected at least 2 classes in 'y', found one class only: 'cat'"),
        (["test/cat", "test/dog"], "at least 10 examples .* found 0 examples"),
    ],
)
def test_folders_without_classes_are_refused(image_folder: Folder, folders: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(str(image_folder(folders)))


def test_a_regression_on_folders_is_refused(image_folder: Folder) -> None:
    with pytest.raises(InputError, match="found text such as 'cat'; use --task classification"):
        read(str(image_folder(["cat", "dog"])), ReadOptions(task="regression"))


def test_prediction_on_a_flat_folder(image_folder: Folder, tmp_path: Path) -> None:
    schema = read(str(image_folder(["cat", "dog"]))).schema()
    flat = tmp_path / "flat"
    flat.mkdir()
    Image.new("L", (50, 40), 77).save(flat / "b.png")
    Image.new("RGB", (5, 6), (1, 2, 3)).save(flat / "a.png")
    found = read_for_prediction(str(flat), schema)
    assert found.names == ("a.png", "b.png")
    assert found.y is None
    assert found.x.shape == (2, 3, 6, 5)
    assert np.all(found.x[1] == 77)
    assert found.x[0, :, 0, 0].tolist() == [1, 2, 3]
    assert read_for_prediction(str(zipped(flat)), schema).names == ("a.png", "b.png")


def test_prediction_with_labels_and_with_splits(image_folder: Folder) -> None:
    root = image_folder(["train/cat", "train/dog", "test/dog"])
    dataset = read(str(root))
    found = read_for_prediction(str(root), dataset.schema())
    assert found.y is not None
    assert list(found.y) == [1] * 8
    assert np.array_equal(found.x, dataset.inputs("test"))
    assert found.names[0] == "test/dog/0.png"
    assert found.notes == ("only the test split is used: 8 of 24 images",)


def test_prediction_for_another_kind_of_model_is_refused(image_folder: Folder) -> None:
    with pytest.raises(InputError, match=r"expected features data of shape \(4,\).* found image files"):
        read_for_prediction(str(image_folder(["cat"])), read("iris").schema())


@pytest.mark.slow
def test_sixty_thousand_jpegs(real_data: Callable[[str], Path]) -> None:
    path = real_data("cifar10-jpeg.zip")
    dataset = read(str(path))
    assert dataset.x.shape == (60000, 3, 32, 32)
    assert dataset.classes == 10
    assert np.all(np.bincount(dataset.targets("test")) == 1000)
    with zipfile.ZipFile(path) as archive, archive.open("train/cat/0123.jpg") as file:
        expected = np.asarray(Image.open(file)).transpose(2, 0, 1)
    index = 10_000 + 3 * 5_000 + 123  # test/ comes before train/, cat is the fourth class
    assert np.array_equal(dataset.x[index], expected)
    assert dataset.class_names[dataset.y[index]] == "cat"
    assert np.array_equal(read(str(path)).x, dataset.x)  # from the cache
