"""How a script names what it calls, read from the place in its source where it does."""

from __future__ import annotations

import ast
import itertools
import linecache
import sys
from pathlib import Path
from types import FrameType

import torch

_HOOKS = (str(Path(torch.__file__).parent), str(Path(__file__).parent))
_BABYSIT = str(Path(__file__).parents[1])
_MOST_FRAMES = 64


def called_as(inside: str = "") -> str:
    """The variable, attribute or key whose call led here; ``""`` where the source does not tell.

    Variables themselves are not looked at: a frame that is asked for them keeps their values alive.

    Args:
        inside: Path of what was called, within what is asked for.
    """
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_MOST_FRAMES):
        if frame is None:
            break
        file = frame.f_code.co_filename
        if not file.startswith(_HOOKS):
            return "" if file.startswith(_BABYSIT) else name_in(_source_of(frame), inside)
        frame = frame.f_back
    return ""


def name_in(source: str, inside: str = "") -> str:
    """What is called by an expression; ``""`` where it has no name.

    Args:
        source: The expression.
        inside: As in :func:`called_as`.

    Example:
        >>> [name_in(text) for text in ("netD(fake)", "self.target(x)", "nets['critic'](x)", "nets[0](x)", "x + 1")]
        ['netD', 'target', 'critic', '', '']
        >>> name_in("agent.body.head(x)", "body.head")
        'agent'
    """
    try:
        call = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return ""
    if not isinstance(call, ast.Call):
        return ""
    called: ast.expr = call.func
    for part in reversed(inside.split(".")) if inside else ():
        if not isinstance(called, ast.Attribute) or called.attr != part:
            return ""
        called = called.value
    match called:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str(name))):
            return name if name.isidentifier() else ""
    return ""


def _source_of(frame: FrameType) -> str:
    """The expression that a frame is at; ``""`` where its source or the place is not known."""
    places = next(itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
    if places is None or None in places:
        return ""
    first, last, start, end = (int(place or 0) for place in places)
    lines = [line.encode() for line in linecache.getlines(frame.f_code.co_filename, frame.f_globals)[first - 1 : last]]
    if len(lines) != last - first + 1:
        return ""
    lines[-1] = lines[-1][:end]  # first, as the columns of both ends count from the beginning of their line
    lines[0] = lines[0][start:]
    return b"".join(lines).decode(errors="replace")
