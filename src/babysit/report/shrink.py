"""Pictures small enough to be kept beside a text."""

from __future__ import annotations

import io

from PIL import Image

WIDTH = 900
"""Pixels across, at most."""
BYTES = 40_000
"""At most, unless even few colours and half the width take more."""

_COLOURS = (128, 64, 32)
_WIDTHS = (1.0, 0.8, 0.65, 0.5)


def shrink(png: bytes) -> bytes:
    """A picture as a PNG of few colours, no wider than :data:`WIDTH` and no larger than :data:`BYTES`.

    The same picture gives the same bytes, and one that is small enough stays as it is.

    Args:
        png: As it was drawn.

    Example:
        >>> drawn = io.BytesIO()
        >>> Image.linear_gradient("L").resize((1200, 600)).save(drawn, "png")
        >>> small = shrink(drawn.getvalue())
        >>> Image.open(io.BytesIO(small)).size, len(small) <= BYTES
        ((900, 450), True)
    """
    image = Image.open(io.BytesIO(png))
    if image.mode == "P" and image.width <= WIDTH and len(png) <= BYTES:
        return png
    whole = image.convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB")
    small = b""
    for share in _WIDTHS:
        width = min(flat.width, round(WIDTH * share))
        sized = flat.resize((width, round(flat.height * width / flat.width)), Image.Resampling.LANCZOS)
        for colours in _COLOURS:
            small = _encoded(sized, colours)
            if len(small) <= BYTES:
                return small
    return small


def _encoded(image: Image.Image, colours: int) -> bytes:
    out = io.BytesIO()
    # the colours of thin lines count as much as those of large areas, which median cut would spend them on
    few = image.quantize(colours, method=Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
    few.save(out, "png", optimize=True)
    return out.getvalue()
