"""`bs.watch`: the watcher for a script or notebook of one's own."""

from __future__ import annotations

import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from babysit.watch.monitor import Monitor

_begun: weakref.WeakValueDictionary[tuple[str, int], Monitor] = weakref.WeakValueDictionary()
"""The last monitor that was begun in each line of the user's."""


def watch(
    *watched: nn.Module | Optimizer,
    out: str | Path | None = None,
    command: str = "",
    quiet: bool = True,
    eager: bool = False,
) -> Monitor:
    """Watch a training from here on, and change nothing in it.

    Models and optimizers are found by themselves; naming them makes names of parts known before they are called.
    Watching ends with the ``with`` block, at :meth:`~babysit.watch.Monitor.close`, with the interpreter, or where the
    same line begins it anew, as when a cell of a notebook is run again. `[tool.babysit]` of the nearest pyproject.toml
    configures the rules.

    Args:
        *watched: Models, and optimizers for the reader's sake.
        out: A new run folder; the records stay in memory without one.
        command: What is run, for the reader.
        quiet: Show no live line on a terminal.
        eager: Run compiled models uncompiled at sampled steps, so that what their layers put out is recorded; results
            then differ in the last digits.

    Returns:
        The monitor, attached: ``findings``, ``diagnosis`` and ``record`` may be asked at any time.

    Raises:
        InputError: The configuration is wrong.
        RunFolderError: ``out`` has a run in it.
        StorageError: The disk refused.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> _ = torch.manual_seed(0)
        >>> model, x = nn.Linear(4, 2), torch.randn(64, 4)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        >>> with watch(model, optimizer) as monitor:
        ...     for _ in range(100):
        ...         loss = nn.functional.cross_entropy(model(x), (x[:, 0] > 0).long())
        ...         optimizer.zero_grad()
        ...         loss.backward()
        ...         optimizer.step()
        >>> monitor.diagnosis.verdict, monitor.record.header.loss_name
        ('healthy', 'cross_entropy')
    """
    # here, as this name must be there for whoever wants to begin before torch is imported
    from torch import nn

    from babysit.rules._config import read_config
    from babysit.watch.live import LiveLine
    from babysit.watch.monitor import Monitor

    caller = sys._getframe(1)
    place = caller.f_code.co_filename, caller.f_lineno
    before = _begun.pop(place, None)
    if before is not None and not before.is_block:
        before.close()
    monitor = Monitor(
        out=None if out is None else Path(out),
        command=command or "".join(sys.argv[:1]),
        config=read_config(Path.cwd()),
        live=None if quiet else LiveLine(),
        models=[item for item in watched if isinstance(item, nn.Module)],
        eager=eager,
    )
    monitor.start()
    _begun[place] = monitor
    return monitor
