from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from babysit.report.plots.weights import first_layer
from babysit.report.summary import Summary
from babysit.storage import write_json

IMAGES = Summary(data={"kind": "image", "example_shape": [3, 4, 4]}, preprocessing={"spec": "mean-image"})
RNG = np.random.default_rng(0)


def pixels(svg: str) -> np.ndarray:
    image = next(ElementTree.fromstring(svg).iter("image"))
    kind, content = image.attrib["href"].split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def save(folder: Path, **tensors: np.ndarray) -> Path:
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / "model.safetensors")
    return folder


def test_a_tile_is_its_units_weights_as_an_image(tmp_path: Path) -> None:
    weight = RNG.normal(size=(6, 48)).astype(np.float32)
    sheet = pixels(first_layer(save(tmp_path, **{"fc1.weight": weight}), IMAGES))
    zoom = 64 // 4
    second = sheet[:64, 68:132, :3][::zoom, ::zoom]
    unit = weight[1].reshape(3, 4, 4)
    expected = np.round(127.5 + 127.5 * unit / np.abs(unit).max()).transpose(1, 2, 0)
    assert np.abs(second - expected).max() <= 1
    assert (sheet[:64, 64:68, 3] == 0).all()


def test_the_title_tells_how_smooth_the_weights_are(finished: Path, summary: Summary) -> None:
    assert "neighbouring pixels correlate at 0.92 (0: noise, 1: smooth)" in first_layer(finished, summary)


@pytest.mark.parametrize(
    "tensors",
    [
        {"net.conv1.weight": (8, 3, 5, 5), "a.weight": (4, 4)},
        {"0.weight": (4, 48), "0.bias": (4,)},
        {"bn.weight": (3,), "stem.weight": (7, 1, 3, 3)},
    ],
)
def test_the_first_layer_is_found_by_name_or_order(tmp_path: Path, tensors: dict[str, tuple[int, ...]]) -> None:
    save(tmp_path, **{name: RNG.normal(size=shape).astype(np.float32) for name, shape in tensors.items()})
    assert first_layer(tmp_path, IMAGES).startswith("<svg")


@pytest.mark.parametrize(
    ("shape", "summary"),
    [
        ((6, 47), IMAGES),
        ((6, 48), Summary()),
        ((6, 48), Summary(data={"kind": "table", "example_shape": [3, 4, 4]})),
        ((6, 48), Summary(data=IMAGES.data, preprocessing={"spec": "mean-image,pca:48"})),
        ((6, 48, 1, 1), IMAGES),
        ((6, 48, 3), IMAGES),
    ],
)
def test_weights_that_are_no_images_are_not_drawn(tmp_path: Path, shape: tuple[int, ...], summary: Summary) -> None:
    save(tmp_path, **{"fc1.weight": RNG.normal(size=shape).astype(np.float32)})
    assert first_layer(tmp_path, summary) == ""


def test_grey_images_without_a_channel_axis_are_drawn(tmp_path: Path) -> None:
    save(tmp_path, **{"fc1.weight": RNG.normal(size=(5, 64)).astype(np.float32)})
    write_json(tmp_path / "model.json", {"input": {"kind": "image", "example_shape": [8, 8]}})
    sheet = pixels(first_layer(tmp_path, Summary()))
    opaque = sheet[sheet[..., 3] > 0]
    assert (opaque[:, 0] == opaque[:, 1]).all()


def test_a_wide_layer_of_large_images_stays_small(tmp_path: Path) -> None:
    save(tmp_path, **{"fc1.weight": np.ones((100, 3 * 200 * 200), np.float32)})
    summary = Summary(data={"kind": "image", "example_shape": [3, 200, 200]})
    drawn = first_layer(tmp_path, summary)
    assert "The first 10 of 100." in drawn
    assert pixels(drawn).shape[1] <= 560


@pytest.mark.parametrize("content", [b"\x10" + bytes(7) + b"{}", b"\xff" * 64, b""])
def test_a_damaged_file_is_not_drawn(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert first_layer(tmp_path, IMAGES) == ""


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_not_drawn(tmp_path: Path, value: Any) -> None:
    save(tmp_path, **{"fc1.weight": np.full((6, 48), value, np.float32)})
    assert first_layer(tmp_path, IMAGES) == ""


def test_a_run_without_a_model_has_no_such_picture(tmp_path: Path) -> None:
    assert first_layer(tmp_path, IMAGES) == ""
