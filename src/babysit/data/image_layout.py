"""Which class and which split each image belongs to, from nothing but its path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from babysit.data.splits import TEST, TRAIN, VALIDATION

SPLIT_FOLDERS = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "test": TEST,
    "testing": TEST,
}


@dataclass(frozen=True)
class Placed:
    """One image: its path, the split its folder names, and its class; None outside a class folder."""

    path: str
    part: int
    label: str | None


def place(paths: Sequence[str]) -> tuple[Placed, ...]:
    """Read splits and classes from ``[top/][train|val|test/]class/…/file``.

    A single folder that holds everything is passed over, as archives often have one, unless it names a split or holds
    images itself. Folders name splits if all of them do, or at least two with class folders inside; others beside those
    are left out.

    Example:
        >>> [(image.label, image.part) for image in place(["pets/train/cat/1.png", "pets/test/dog/2.png"])]
        [('cat', 0), ('dog', 2)]
    """
    split_paths = {path: PurePosixPath(path).parts for path in paths}
    depth = _depth_of_single_folder(list(split_paths.values()))
    inner = {path: parts[depth:] for path, parts in split_paths.items()}
    tops = {parts[0].lower() for parts in inner.values() if len(parts) > 1}
    nested = {parts[0].lower() for parts in inner.values() if len(parts) > 2}
    by_split = len(nested & SPLIT_FOLDERS.keys()) > 1 or (bool(tops) and tops <= SPLIT_FOLDERS.keys())
    if not by_split:
        return tuple(Placed(path, TRAIN, parts[0] if len(parts) > 1 else None) for path, parts in inner.items())
    return tuple(
        Placed(path, SPLIT_FOLDERS[parts[0].lower()], parts[1] if len(parts) > 2 else None)
        for path, parts in inner.items()
        if parts[0].lower() in SPLIT_FOLDERS and len(parts) > 1
    )


def _depth_of_single_folder(all_parts: list[tuple[str, ...]]) -> int:
    depth = 0
    while (
        len({parts[depth] for parts in all_parts}) == 1
        and all(len(parts) > depth + 2 for parts in all_parts)
        and all_parts[0][depth].lower() not in SPLIT_FOLDERS
    ):
        depth += 1
    return depth
