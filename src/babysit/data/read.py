"""What is DATA? Find the format of a source by its name and content, and read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from babysit.data.cifar import is_cifar, load_cifar
from babysit.data.dataset import Dataset
from babysit.data.examples import Examples, to_dataset, to_prediction
from babysit.data.mnist import is_mnist, load_mnist
from babysit.data.npz import load_npz, load_npz_for_prediction
from babysit.data.options import ReadOptions, check_options
from babysit.data.schema import InputSchema, PredictionInputs
from babysit.data.sklearn_sets import NAMES, load_sklearn
from babysit.data.table import read_table_dataset, read_table_for_prediction
from babysit.errors import InputError, suggest


@dataclass(frozen=True)
class Format:
    """How one format is read.

    Attributes:
        read: For training.
        predict: For prediction.
        options: Which of the options that suit some formats only it understands.
    """

    read: Callable[[Path, ReadOptions], Dataset]
    predict: Callable[[Path, InputSchema, ReadOptions], PredictionInputs]
    options: frozenset[str] = frozenset()


def _arrays(load: Callable[[Path, ReadOptions], Examples]) -> Format:
    return Format(
        read=lambda path, options: to_dataset(load(path, options), options),
        predict=lambda path, like, options: to_prediction(load(path, options), like),
    )


def _read_images(path: Path, options: ReadOptions) -> Dataset:
    from babysit.data.images import load_images  # imports Pillow

    return to_dataset(load_images(path, options), options)


def _predict_images(path: Path, like: InputSchema, options: ReadOptions) -> PredictionInputs:
    from babysit.data.images import load_images_for_prediction  # imports Pillow

    return to_prediction(load_images_for_prediction(path, like, options), like)


IMAGES = Format(_read_images, _predict_images, frozenset({"image_size"}))
NPZ = Format(
    read=_arrays(load_npz).read,
    predict=lambda path, like, _: to_prediction(load_npz_for_prediction(path), like),
)
TABLE = Format(read_table_dataset, read_table_for_prediction, frozenset({"target"}))
SET = _arrays(lambda path, _: load_sklearn(path.name))
SUFFIXES = {".npz": NPZ, ".csv": TABLE, ".tsv": TABLE, ".parquet": TABLE, ".zip": IMAGES}
FOLDERS: tuple[tuple[Callable[[Path], bool], Format], ...] = (
    (is_cifar, _arrays(load_cifar)),
    (is_mnist, _arrays(load_mnist)),
)


def read(source: str, options: ReadOptions = ReadOptions()) -> Dataset:  # noqa: B008 - it is immutable
    """Read any supported data set.

    Args:
        source: A scikit-learn set (digits, iris, wine, breast_cancer, diabetes; write ``./digits`` for a folder of that
            name), a ``.npz``, ``.csv``, ``.tsv`` or ``.parquet`` file, a folder or ``.zip`` of class folders of images,
            or a folder in CIFAR-10's or MNIST's published format.
        options: Target, splits, image size, cache.

    Raises:
        InputError: There is no such source, or it cannot be used; one line says why and what to do.

    Example:
        >>> dataset = read("digits")
        >>> dataset.x.shape, dataset.classes, len(dataset.inputs("train"))
        ((1797, 1, 8, 8), 10, 1257)
    """
    check_options(options)
    path, form = _find(source)
    _refuse_unused(source, form, options)
    return form.read(path, options)


def read_for_prediction(
    source: str,
    like: InputSchema,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - it is immutable
) -> PredictionInputs:
    """Read new data in the layout a model was trained on; labels are optional.

    Images are resized to the model's; rows of a table are encoded as in training. Of a source that brings a test split,
    only that is read.

    Raises:
        InputError: There is no such source, or its layout is another.
    """
    path, form = _find(source)
    return form.predict(path, like, options)


def _find(source: str) -> tuple[Path, Format]:
    if source in NAMES:
        return Path(source), SET
    try:
        return _find_file(source, Path(source).expanduser().absolute())
    except (OSError, RuntimeError) as error:  # no permission, no such home, a name that is too long
        raise InputError(
            source, expected="a path that can be read", found=str(error), todo="check the path and its permissions"
        ) from error


def _find_file(source: str, path: Path) -> tuple[Path, Format]:
    if path.is_dir():
        return path, next((form for recognises, form in FOLDERS if recognises(path)), IMAGES)
    if not path.exists():
        raise _missing(source, path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            source,
            expected=f"a folder or a file ending in {', '.join(SUFFIXES)}",
            found=f"a file ending in {path.suffix!r}" if path.suffix else "a file without an ending",
            todo="convert it to one of these",
        )
    return path, SUFFIXES[path.suffix.lower()]


def _missing(source: str, path: Path) -> InputError:
    try:
        beside = [file.name for file in path.parent.iterdir() if not file.name.startswith(".")]
    except OSError:
        beside = []
    return InputError(
        source,
        expected=f"a file, a folder, or one of scikit-learn's sets {', '.join(NAMES)}",
        found="no such thing",
        todo=suggest(path.name, [*NAMES, *beside], "check the path"),
    )


def _refuse_unused(source: str, form: Format, options: ReadOptions) -> None:
    given = {"target": options.target, "image_size": options.image_size}
    for name, value in given.items():
        if value is not None and name not in form.options:
            where = "a table (.csv, .tsv, .parquet)" if name == "target" else "image files"
            raise InputError(
                source, expected=f"{where} for --{name.replace('_', '-')}", found="another format", todo="leave it out"
            )
