from __future__ import annotations

import pytest

from babysit.data.image_layout import place
from babysit.data.splits import TEST, TRAIN, VALIDATION


@pytest.mark.parametrize(
    ("paths", "placed"),
    [
        (["cat/1.png", "dog/2.png"], [("cat", TRAIN), ("dog", TRAIN)]),
        (["pets/cat/1.png", "pets/dog/2.png"], [("cat", TRAIN), ("dog", TRAIN)]),
        (["a/b/cat/1.png", "a/b/dog/2.png"], [("cat", TRAIN), ("dog", TRAIN)]),
        (["cat/deep/1.png", "dog/deeper/still/2.png"], [("cat", TRAIN), ("dog", TRAIN)]),
        (["train/cat/1.png", "test/cat/2.png"], [("cat", TRAIN), ("cat", TEST)]),
        (["Train/cat/1.png", "Validation/cat/2.png", "x"], [("cat", TRAIN), ("cat", VALIDATION)]),
        (["top/train/cat/1.png", "top/val/dog/2.png"], [("cat", TRAIN), ("dog", VALIDATION)]),
        (["train/cat/1.png", "train/dog/2.png"], [("cat", TRAIN), ("dog", TRAIN)]),
        (["train/cat/1.png", "test/2.png"], [("cat", TRAIN), (None, TEST)]),
        (["train/cat/1.png", "test/cat/2.png", "samples/cat/3.png"], [("cat", TRAIN), ("cat", TEST)]),
        (["bus/1.png", "train/2.png"], [("bus", TRAIN), ("train", TRAIN)]),  # a train is also a vehicle
        (["bus/red/1.png", "train/red/2.png"], [("bus", TRAIN), ("train", TRAIN)]),
        (["1.png", "2.png"], [(None, TRAIN), (None, TRAIN)]),
        (["cat/1.png", "2.png"], [("cat", TRAIN), (None, TRAIN)]),
        ([], []),
    ],
)
def test_places(paths: list[str], placed: list[tuple[str | None, int]]) -> None:
    assert [(image.label, image.part) for image in place(paths)] == placed
