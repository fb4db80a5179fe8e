"""Functions that modules have imported by name, as in ``from torch.nn.utils import clip_grad_norm_``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


def replace_imported(replacements: Mapping[int, Any], *, but: str = "") -> None:
    """Put other functions in the place of some, wherever a module has one of them under a name of its own.

    Args:
        replacements: What takes the place, by the ``id`` of what is to be replaced.
        but: A package whose modules are left alone.
    """
    for path, module in list(sys.modules.items()):
        names = getattr(module, "__dict__", None)
        if type(names) is not dict or (but and f"{path}.".startswith(f"{but}.")):
            continue
        for name, value in list(names.items()):
            if id(value) in replacements:
                names[name] = replacements[id(value)]
