"""First-layer weights as images: what the units look for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from babysit.measure.filters import Filters, paint, smoothness
from babysit.report.formatting import number
from babysit.report.plots.images import Bytes, data_uri, tile
from babysit.report.summary import Summary, entries, part, words
from babysit.report.svg import WIDTH, figure, tag
from babysit.storage import read_json

_MOST_TILES, _MOST_PIXELS = 64, 400_000
_TILE, _GAP = 64, 4
_FIRST_LAYERS = ("fc1.weight", "conv1.weight")


def first_layer(folder: Path, summary: Summary) -> str:
    """The first layer's weights, a tile a unit; nothing where they have no image's layout.

    Rows of a linear layer are reshaped to the example's ``(C, H, W)`` when their length is its size and the
    preprocessing keeps pixels in their places; kernels of a convolution are shown as they are.
    """
    tiles = _read_tiles(folder, summary)
    if tiles is None:
        return ""
    height, width = tiles.shape[2:]
    shown = tiles[: min(_MOST_TILES, max(1, _MOST_PIXELS // (height * width)))]
    zoom = max(1, _TILE // max(height, width))
    columns = min(len(shown), max(1, int((WIDTH + _GAP) // (zoom * width + _GAP))))
    sheet = tile(_enlarge(paint(shown), zoom), columns, _GAP)
    shrink = min(1.0, WIDTH / sheet.shape[1])
    shape = {"width": shrink * sheet.shape[1], "height": shrink * sheet.shape[0]}
    correlation = smoothness(tiles)
    left_out = f" The first {len(shown)} of {len(tiles):,}." if len(tiles) > len(shown) else ""
    return figure(
        f"First-layer weights: neighbouring pixels correlate at {number(correlation, 2)} (0: noise, 1: smooth)",
        tag("image", class_="pixels", href=data_uri(sheet), x=0.0, y=0.0, **shape),
        height=shape["height"],
        note=f"One tile a unit, each scaled to its own largest weight; mid-grey is zero.{left_out}",
        label="Images",
    )


def _read_tiles(folder: Path, summary: Summary) -> Filters | None:
    weight = _read_weight(folder / "model.safetensors")
    shape = _image_shape(folder, summary)
    if weight is None or not np.isfinite(weight).all():
        return None
    if weight.ndim == 4 and min(weight.shape[2:]) > 1:
        return weight
    moved = any(word in words(summary.preprocessing, "spec").lower() for word in ("pca", "whiten"))
    if weight.ndim != 2 or not shape or weight.shape[1] != math.prod(shape) or moved:
        return None
    return weight.reshape(-1, *shape)


def _read_weight(path: Path) -> Filters | None:
    """The first layer's weight; ``None`` where there is no file, none in it, or it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            name = _first_weight({name: len(file.get_slice(name).get_shape()) for name in names})
            return np.asarray(file.get_tensor(name), dtype=np.float32) if name else None
    except (OSError, SafetensorError, TypeError, ValueError):
        return None


def _first_weight(dimensions: dict[str, int]) -> str:
    weights = [name for name, count in dimensions.items() if name.endswith("weight") and count >= 2]
    named = [name for name in weights if name.endswith(_FIRST_LAYERS)]
    return next(iter([*named, *weights]), "")


def _image_shape(folder: Path, summary: Summary) -> tuple[int, ...]:
    """The examples' ``(C, H, W)``, from `model.json` or else the report; empty when they are no images."""
    sources = [part(_read_model(folder), "input"), summary.data]
    for source in sources:
        shape = _whole_numbers(entries(source, "example_shape"))
        if source.get("kind") == "image" and len(shape) in (2, 3):
            return shape if len(shape) == 3 else (1, *shape)
    return ()


def _read_model(folder: Path) -> dict[str, object]:
    try:
        model = read_json(folder / "model.json")
    except (OSError, ValueError):
        return {}
    return model if isinstance(model, dict) else {}


def _whole_numbers(values: Sequence[object]) -> tuple[int, ...]:
    return tuple(value for value in values if isinstance(value, int) and value > 0)


def _enlarge(images: Bytes, zoom: int) -> Bytes:
    return images.repeat(zoom, axis=1).repeat(zoom, axis=2)
