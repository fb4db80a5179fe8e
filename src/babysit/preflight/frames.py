"""What a script holds: the variables of its functions and modules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import torch

_FOREIGN = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent))


def values_of(frame: FrameType | None) -> Iterator[Any]:
    """The values of all variables of a script, those of the innermost function first; not those of torch's functions.

    Of the object whose method a function is, its attributes are given, too.

    Args:
        frame: Of whoever asks; the frames of the script are those around it.

    Example:
        >>> import sys
        >>> answer = 42
        >>> 42 in [value for value in values_of(sys._getframe()) if isinstance(value, int)]
        True
    """
    seen: set[int] = set()
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_FOREIGN):
            for space in (frame.f_locals, frame.f_globals):
                if id(space) not in seen:
                    seen.add(id(space))
                    yield from list(space.values())
                    yield from list(getattr(space.get("self"), "__dict__", {}).values())
        frame = frame.f_back
