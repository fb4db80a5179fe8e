"""Whether a script clips its gradients, as far as can be told before its first step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType

import torch

_CLIPPING = frozenset(
    {"clip_grad_norm_", "clip_grad_value_", "clip_grad_norm", "clip_gradients", "clip_grads_with_norm_"}
)
_OTHERS = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]))


def clips_gradients() -> bool:
    """Whether any function that led here, or that is defined beside one, calls one that clips gradients.

    Whether it does so at a certain step, and to which norm, cannot be known before that step.
    """
    frame: FrameType | None = sys._getframe(1)
    asked: set[CodeType] = set()
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_OTHERS):
            asked.add(frame.f_code)
        frame = frame.f_back
    return any(not _CLIPPING.isdisjoint(code.co_names) for outer in asked for code in _within(outer))


def _within(code: CodeType) -> Iterator[CodeType]:
    """A piece of code and what is defined in it."""
    yield code
    for item in code.co_consts:
        if isinstance(item, CodeType):
            yield from _within(item)
