"""Training inside a caller's ``torch.autocast``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def fresh_casts() -> Iterator[None]:
    """Inside the block, autocast casts weights anew whenever they are used.

    It keeps what it has cast until it ends, which is meant for one forward pass: around a whole training, the first
    cast would be used in every step, and nothing would be learned.
    """
    before = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    torch.clear_autocast_cache()
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(before)
