"""Compiled models, inside which no module hook fires: on request their sampled forward passes run uncompiled."""

from __future__ import annotations

import warnings
from typing import Any

import torch

_ABOUT_HOOKS = r"Using `torch\.compile\(module\)` when there are global hooks"


class Uncompiled:
    """Lets compiled code run as it was written, from :meth:`begin` to :meth:`end`.

    What it computes then differs from the compiled code's results in the last digits, so that this is for those who
    have asked for it.

    Example:
        >>> uncompiled = Uncompiled()
        >>> uncompiled.begin()
        True
        >>> uncompiled.end()
    """

    def __init__(self) -> None:
        self._stance: Any = None

    def begin(self) -> bool:
        """Run compiled code uncompiled from here on; whether that could be done."""
        if self._stance is None and hasattr(torch.compiler, "set_stance"):
            try:
                self._stance = torch.compiler.set_stance("force_eager")
            except RuntimeError:  # this is called from within compiled code
                return False
            # it is said of hooks that compiled code would meet, which here it does not
            warnings.filterwarnings("ignore", message=_ABOUT_HOOKS)
            self._filter = warnings.filters[0]
        return self._stance is not None

    def end(self) -> None:
        """Run it compiled again."""
        stance, self._stance = self._stance, None
        if stance is not None:
            stance.__exit__(None, None, None)
            if self._filter in warnings.filters:
                warnings.filters.remove(self._filter)  # type: ignore[attr-defined]
