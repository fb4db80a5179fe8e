"""A folder or a ``.zip`` of class folders of images, with or without train, validation and test above them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from babysit.data.examples import Examples
from babysit.data.image_cache import Decoded
from babysit.data.image_files import ImageFiles, open_images
from babysit.data.image_layout import Placed, place
from babysit.data.image_pipeline import Request, decode_images
from babysit.data.options import ReadOptions
from babysit.data.schema import InputSchema
from babysit.data.splits import TEST
from babysit.data.text import listed
from babysit.errors import InputError


def load_images(path: Path, options: ReadOptions) -> Examples:
    """The images of a folder or archive, each labelled by its class folder.

    Raises:
        InputError: There are no images or no class folders, an image is corrupt, or sizes differ.
    """
    with open_images(path) as files:
        return _labelled(path, files, options)


def _labelled(path: Path, files: ImageFiles, options: ReadOptions) -> Examples:
    found = place(files.paths)
    placed = [image for image in found if image.label is not None]
    if not placed:
        raise InputError(
            str(path),
            expected="a folder for each class with its images inside",
            found=f"{len(found)} images and no class folder",
            todo="sort them into folders named by class",
        )
    outside = len(files.paths) - len(placed)
    decoded = decode_images(files, [image.path for image in placed], Request("train", options.image_size), options)
    notes = (f"ignored {outside} image{'s' * (outside > 1)} outside class folders",) if outside else ()
    return _examples(path, placed, decoded, notes)


def load_images_for_prediction(path: Path, like: InputSchema, options: ReadOptions) -> Examples:
    """Images with or without class folders, resized and coloured as the model's training images were.

    Of a source with a test split, only that is decoded.

    Raises:
        InputError: The model was not trained on images of 1 or 3 channels, or an image is corrupt.
    """
    if like.kind != "image" or like.example_shape[0] not in (1, 3):
        raise InputError(
            str(path),
            expected=f"{like.kind} data of shape {like.example_shape}, as the model was trained on",
            found="image files",
            todo="give data of the same layout",
        )
    with open_images(path) as files:
        return _wanted(path, files, like, options)


def _wanted(path: Path, files: ImageFiles, like: InputSchema, options: ReadOptions) -> Examples:
    placed = place(files.paths)
    tests = [image for image in placed if image.part == TEST]
    note = f"only the test split is used: {len(tests)} of {len(placed)} images"
    notes = (note,) if 0 < len(tests) < len(placed) else ()
    channels, height, width = like.example_shape
    request = Request("predict", (height, width), channels)
    chosen = tests or placed
    decoded = decode_images(files, [image.path for image in chosen], request, options)
    return _examples(path, chosen, decoded, notes)


def _examples(path: Path, placed: Sequence[Placed], decoded: Decoded, notes: tuple[str, ...]) -> Examples:
    by_path = {image.path: image for image in placed}
    kept = [by_path[name] for name in decoded.paths]
    if decoded.skipped:
        skipped = [name for name, _ in decoded.skipped]
        notes += (f"skipped {len(skipped)} corrupt image{'s' * (len(skipped) > 1)}: {listed(skipped)}",)
    labelled = all(image.label is not None for image in kept)
    return Examples(
        name=path.stem if path.is_file() else path.name,
        source=str(path),
        kind="image",
        x=decoded.x,
        y=np.array([image.label for image in kept], dtype=np.str_) if labelled else None,
        part=np.array([image.part for image in kept], dtype=np.int64),
        names=decoded.paths,
        notes=notes,
    )
