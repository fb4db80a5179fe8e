from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from babysit.data.image_decode import Header, decode, quietly, read_header
from babysit.data.image_files import UnreadableFile

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8)
GREY = RGB[:, :, 0]


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "BMP", "PPM", "TIFF", "WEBP", "GIF"])
def test_lossless_formats_give_the_pixels(form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    image = Image.fromarray(GREY if form == "GIF" else RGB)
    content = encoded(image, form, **options)
    header = read_header(content)
    assert (header.height, header.width) == (4, 6)
    expected = np.repeat(GREY[None], 3, axis=0) if form == "GIF" else RGB.transpose(2, 0, 1)
    assert np.array_equal(decode(content, 3, (4, 6)), expected)


def test_jpeg_is_close_to_the_pixels() -> None:
    smooth = np.kron(RNG.integers(0, 256, (2, 2, 1)), np.ones((8, 8, 3))).astype(np.uint8)
    pixels = decode(encoded(Image.fromarray(smooth), "JPEG", quality=95), 3, (16, 16))
    assert np.abs(pixels.transpose(1, 2, 0).astype(int) - smooth).max() <= 3


@pytest.mark.parametrize(
    ("image", "grey"),
    [
        (Image.fromarray(GREY), True),
        (Image.fromarray(GREY > 99), True),
        (Image.fromarray(GREY.astype(np.uint16) * 257), True),
        (Image.fromarray(RGB), False),
        (Image.fromarray(RGB).convert("P"), False),
        (Image.fromarray(RGB).convert("RGBA"), False),
        (Image.fromarray(RGB).convert("LA"), False),
    ],
)
def test_grey_is_told_from_colour(image: Image.Image, grey: bool) -> None:
    assert read_header(encoded(image)) == Header(4, 6, grey)


def test_grey_depths() -> None:
    assert np.array_equal(decode(encoded(Image.fromarray(GREY)), 1, (4, 6)), GREY[None])
    assert np.array_equal(decode(encoded(Image.fromarray(GREY > 99)), 1, (4, 6))[0], (GREY > 99) * 255)
    wide = GREY.astype(np.uint16) * 256 + 7
    for form in ("PNG", "TIFF"):
        assert np.array_equal(decode(encoded(Image.fromarray(wide), form), 1, (4, 6))[0], GREY)
        assert np.array_equal(decode(encoded(Image.fromarray(wide), form), 3, (4, 6))[2], GREY)


def test_transparency_is_over_white() -> None:
    alpha = RNG.integers(0, 256, (4, 6, 1), dtype=np.uint8)
    pixels = decode(encoded(Image.fromarray(np.concatenate([RGB, alpha], axis=2))), 3, (4, 6)).transpose(1, 2, 0)
    share = alpha / 255
    assert np.abs(pixels - (RGB * share + 255 * (1 - share))).max() <= 1

    palette = Image.fromarray(np.array([[0, 1]], dtype=np.uint8))
    palette = palette.convert("P")
    palette.putpalette([10, 20, 30, 200, 100, 0])
    content = encoded(palette, transparency=0)
    assert decode(content, 3, (1, 2))[:, 0].T.tolist() == [[255, 255, 255], [200, 100, 0]]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(form: str, orientation: int) -> None:
    # TIFF 6.0's table: which side of the shown image the first row and the first column are
    corner = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "tr", 7: "br", 8: "bl"}[orientation]
    pixels = np.full((16, 32), 255, dtype=np.uint8)
    pixels[:8, :8] = 0  # a black first corner
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(pixels).convert("RGB"), form, exif=exif)
    header = read_header(content)
    assert (header.height, header.width) == ((16, 32) if orientation < 5 else (32, 16))
    shown = decode(content, 1, (header.height, header.width))[0]
    row = slice(2, 6) if corner[0] == "t" else slice(-6, -2)
    column = slice(2, 6) if corner[1] == "l" else slice(-6, -2)
    assert shown[row, column].mean() < 60
    assert shown.mean() > 200


def test_resizing_averages_over_the_area() -> None:
    stripes = np.zeros((64, 64), dtype=np.uint8)
    stripes[:, ::2] = 255
    small = decode(encoded(Image.fromarray(stripes)), 1, (8, 8))
    assert np.all(np.abs(small.astype(int) - 127) <= 6)  # without antialiasing it would be 0 or 255
    assert decode(encoded(Image.fromarray(RGB)), 3, (9, 2)).shape == (3, 9, 2)


def test_the_first_frame_is_taken() -> None:
    frames = [Image.fromarray(np.full((4, 4), value, dtype=np.uint8)) for value in (10, 200)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.all(decode(content, 1, (4, 4)) == 10)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be huge."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 99))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(10_000, 10_000), (60_000, 60_000)])
def test_bombs_are_refused(size: tuple[int, int]) -> None:
    with quietly(), pytest.raises(UnreadableFile, match="more than 89,478,485 pixels"):
        read_header(bomb(*size))
    with quietly(), pytest.raises(UnreadableFile, match="pixels"):
        decode(bomb(*size), 1, (4, 4))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an image of a supported format"),
        (b"hello", "not an image of a supported format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image of a supported format"),
        (encoded(Image.fromarray(RGB))[:60], "truncated|broken|not an image"),
        (encoded(Image.fromarray(RGB), "JPEG")[:-40], "truncated"),
    ],
)
def test_damaged_files_are_unreadable(content: bytes, message: str) -> None:
    with pytest.raises(UnreadableFile, match=message):
        decode(content, 3, (4, 6))


def test_float_pixels_are_unreadable() -> None:
    content = encoded(Image.fromarray(GREY.astype(np.float32)), "TIFF")
    with pytest.raises(UnreadableFile, match="its pixels are floats"):
        decode(content, 1, (4, 6))


@given(st.sampled_from(["PNG", "BMP", "PPM", "WEBP", "GIF", "JPEG", "TIFF"]), st.data())
def test_any_damage_is_unreadable_or_an_image(form: str, data: st.DataObject) -> None:
    content = bytearray(encoded(Image.fromarray(RGB), form))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    with quietly():
        for read in (read_header, lambda damaged: decode(damaged, 3, (4, 6))):
            with contextlib.suppress(UnreadableFile):
                read(bytes(content))
