"""Being told when a module has been imported, without importing it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# frames between these two names are cut out of a traceback by the import system itself
_FILE, _FUNCTION = "<frozen importlib._bootstrap>", "_call_with_frames_removed"


class AfterImport:
    """Calls once, right after a module was imported completely; nothing of it is left then.

    A module that only is looked for, or whose import fails, does not count; it may come later.

    Args:
        name: The module.
        call: What to call; it must not raise.

    Example:
        >>> AfterImport("sys", lambda: print("is there already")).arm()
        is there already
    """

    def __init__(self, name: str, call: Callable[[], None]) -> None:
        self._name = name
        self._call = call

    def arm(self) -> None:
        """Wait for the import, or call at once where it is over."""
        module = sys.modules.get(self._name)
        # a module that is being imported at this moment cannot be waited for any longer
        if module is None:
            sys.meta_path.insert(0, self)
        else:
            self._call()

    def disarm(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """Find the module as the other finders do, with a loader that tells when it is done."""
        if fullname != self._name or self not in sys.meta_path:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(fullname, path, target)
            if spec is not None:
                self._follow(spec.loader)
                return spec
        return None

    def _follow(self, loader: Any) -> None:
        """Hide the loader's method behind one that calls it; for this one loader, and until it is used."""
        if isinstance(loader, type) or not (hasattr(loader, "exec_module") and hasattr(loader, "__dict__")):
            return  # no loader of files
        below = vars(loader).get("exec_module")  # somebody else's who waits for the same
        own = functools.partial(type(loader).exec_module, loader)

        def exec_module(module: ModuleType) -> None:
            if module.__name__ != self._name:  # an archive's modules have one loader
                (below or own)(module)
                return
            vars(loader).pop("exec_module", None)
            (below or own)(module)
            self._came()

        exec_module.__code__ = exec_module.__code__.replace(co_filename=_FILE, co_name=_FUNCTION)
        loader.exec_module = exec_module

    def _came(self) -> None:
        if self in sys.meta_path:
            self.disarm()
            self._call()
