"""Small pictures made of pixels: embedded as PNG, so that they stay small and need no file."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def data_uri(pixels: Bytes) -> str:
    """An image ``(height, width, 4)`` of RGBA bytes as the address of an embedded PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def tile(images: Bytes, columns: int, gap: int) -> Bytes:
    """Images ``(n, height, width, 4)`` side by side in rows, transparent between them."""
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    sheet = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), dtype=np.uint8)
    for place, image in enumerate(images):
        top, left = (place // columns) * (height + gap), (place % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet
