"""One image file's bytes into pixels."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from babysit.data.image_files import UnreadableFile

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
SIXTEEN_BIT = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})
GREY = SIXTEEN_BIT | {"1", "L"}
ORIENTATION = 0x0112
TIFF_WIDTH, TIFF_HEIGHT = 256, 257
MOST_PIXELS = 89_478_485  # Pillow's own bound against decompression bombs, of which it only warns
# What Pillow's decoders raise on bytes that are not an image of their format.
DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class Header:
    """What is known of an image before it is decoded: height and width as shown, and whether it is grey."""

    height: int
    width: int
    grey: bool


@contextmanager
def quietly() -> Iterator[None]:
    """Inside, Pillow's warnings about odd but readable files are silent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_header(content: bytes) -> Header:
    """Size and colour of an image, from its first bytes.

    Raises:
        UnreadableFile: It is no image of a supported format.
    """
    try:
        with _open(content) as image:
            width, height = _stored_size(image)
            if _orientation(image, content) >= 5:  # turned by 90 degrees
                width, height = height, width
            return Header(height, width, image.mode in GREY and "transparency" not in image.info)
    except DECODING_ERRORS as error:
        raise UnreadableFile(_reason(error)) from error


def decode(content: bytes, channels: int, size: tuple[int, int]) -> np.ndarray:
    """The pixels as ``(channels, height, width)`` uint8: turned as its EXIF says, transparency over white, first frame.

    Args:
        content: The bytes of the file.
        channels: 1 for grey, 3 for RGB.
        size: Height and width; another size is resized to it, bilinear with antialiasing.

    Raises:
        UnreadableFile: It cannot be decoded.
    """
    try:
        with _open(content) as opened:
            opened.load()
            image: Image.Image = opened
            if _orientation(opened, content) > 1:
                image = ImageOps.exif_transpose(opened)
            image = _in_mode(image, "L" if channels == 1 else "RGB")
            if image.size != (size[1], size[0]):
                image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            pixels = np.asarray(image)
    except DECODING_ERRORS as error:
        raise UnreadableFile(_reason(error)) from error
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _open(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content), formats=FORMATS)
    if image.width * image.height > MOST_PIXELS:
        raise Image.DecompressionBombError
    return image


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height before the orientation is applied; of a TIFF some versions of Pillow tell those after it."""
    tags = getattr(image, "tag_v2", None)
    return (tags[TIFF_WIDTH], tags[TIFF_HEIGHT]) if tags else image.size


def _orientation(image: Image.Image, content: bytes) -> int:
    """The EXIF orientation 1…8; asked of a PNG only if it has one, since Pillow decodes it to find out."""
    if image.format == "PNG" and b"eXIf" not in content and b"Raw profile type exif" not in content:
        return 1
    value = image.getexif().get(ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode in SIXTEEN_BIT:
        wide = np.asarray(image).astype(np.int64)
        image = Image.fromarray((np.clip(wide, 0, 65535) >> 8).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("its pixels are floats")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert(mode)


def _reason(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a supported format"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MOST_PIXELS:,} pixels"
    return (str(error).splitlines() or [type(error).__name__])[0].lower()
