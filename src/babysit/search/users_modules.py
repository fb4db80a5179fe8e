"""What of the imported modules is a user's own, so that another machine cannot import it."""

from __future__ import annotations

import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType


def users_modules() -> list[ModuleType]:
    """The imported modules that lie in the working directory or on the path and belong to nothing that was installed.

    What is run as a script is left out, as it is pickled by value anyway; so is this package, which has to be installed
    wherever it trains.

    Example:
        >>> import json, torch
        >>> {json, torch}.isdisjoint(users_modules())
        True
    """
    homes = {Path.cwd(), *(Path(folder).resolve() for folder in sys.path)}
    elsewhere = {"__main__", "babysit", *sys.stdlib_module_names, *packages_distributions()}
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and name.partition(".")[0] not in elsewhere and homes.intersection(Path(file).resolve().parents):
            found.append(module)
    return found
