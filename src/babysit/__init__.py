"""Gets neural networks to train well: checks, watches, diagnoses and trains any PyTorch model.

Names are loaded when they are first used, so that `babysit --help` need not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from babysit._version import __version__

if TYPE_CHECKING:
    from babysit.fit import FitResult as FitResult
    from babysit.fit import fit as fit
    from babysit.preflight import check as check
    from babysit.recipe.model_file import load as load
    from babysit.search import Choice as Choice
    from babysit.search import IntUniform as IntUniform
    from babysit.search import LogIntUniform as LogIntUniform
    from babysit.search import LogUniform as LogUniform
    from babysit.search import SearchResult as SearchResult
    from babysit.search import Space as Space
    from babysit.search import Trial as Trial
    from babysit.search import Uniform as Uniform
    from babysit.search import When as When
    from babysit.search import search as search
    from babysit.watch import Monitor as Monitor
    from babysit.watch import watch as watch

_HOMES = {
    "Choice": "babysit.search",
    "FitResult": "babysit.fit",
    "IntUniform": "babysit.search",
    "LogUniform": "babysit.search",
    "Monitor": "babysit.watch",
    "SearchResult": "babysit.search",
    "When": "babysit.search",
    "Space": "babysit.search",
    "LogIntUniform": "babysit.search",
    "Trial": "babysit.search",
    "Uniform": "babysit.search",
    "check": "babysit.preflight",
    "fit": "babysit.fit",
    "load": "babysit.recipe.model_file",
    "search": "babysit.search",
    "watch": "babysit.watch",
}

__all__ = [
    "Choice",
    "FitResult",
    "IntUniform",
    "LogIntUniform",
    "LogUniform",
    "Monitor",
    "SearchResult",
    "Space",
    "Trial",
    "Uniform",
    "When",
    "__version__",
    "check",
    "fit",
    "load",
    "search",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(_HOMES[name])
    # a package of the public name is callable itself, and stays what the name means
    return home if _HOMES[name] == f"{__name__}.{name}" else getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
