"""Small pictures look like the large ones."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from babysit.report import shrink as shrink_module
from babysit.report.shrink import BYTES, WIDTH, shrink


def encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "png")
    return out.getvalue()


def decoded(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=float)


def lines() -> Image.Image:
    """White, with a few lines of plot colours."""
    pixels = np.full((600, 1200, 3), 255, dtype=np.uint8)
    for place, colour in enumerate([(0, 114, 178), (213, 94, 0), (0, 158, 115)]):
        pixels[100 + 150 * place : 106 + 150 * place] = colour
    return Image.fromarray(pixels)


def test_a_drawing_keeps_its_colours() -> None:
    small = shrink(encoded(lines()))
    assert len(small) <= BYTES
    expected = np.asarray(lines().resize((WIDTH, 450), Image.Resampling.LANCZOS), dtype=float)
    assert np.abs(decoded(small) - expected).mean() < 1
    # in the middle of the first line
    assert np.abs(decoded(small)[77, 450] - (0, 114, 178)).max() < 12


def test_the_colour_of_a_thin_line_among_many_shades_is_kept() -> None:
    shades = np.linspace(0, 255, 900, dtype=np.uint8)
    pixels = np.repeat(np.broadcast_to(shades, (400, 900))[..., None], 3, axis=2).copy()
    pixels[200:203] = (213, 94, 0)
    seen = decoded(shrink(encoded(Image.fromarray(pixels))))
    assert np.abs(seen[201, 450] - (213, 94, 0)).max() < 20


def test_small_ones_stay_as_they_are() -> None:
    once = shrink(encoded(lines()))
    assert shrink(once) == once
    assert shrink(encoded(lines())) == once


def test_what_cannot_be_small_is_at_least_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 120, 3), dtype=np.uint8)
    large = encoded(Image.fromarray(noise))
    monkeypatch.setattr(shrink_module, "WIDTH", 100)
    monkeypatch.setattr(shrink_module, "BYTES", 500)
    small = shrink(large)
    assert 500 < len(small) < len(large) / 5
    assert decoded(small).shape == (25, 50, 3)


def test_a_narrow_picture_is_not_made_wider_and_transparency_is_white() -> None:
    small = shrink(encoded(Image.new("RGBA", (300, 200), (0, 0, 0, 0))))
    assert decoded(small).shape == (200, 300, 3)
    assert (decoded(small) == 255).all()
