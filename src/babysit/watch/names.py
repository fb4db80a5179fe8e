"""Names of modules and parameters: which model a module belongs to, and its path there."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from babysit.watch.called import called_as

MOST_SEARCHES = 32
"""Models whose owners are looked for among all objects, and their names in the script, which takes its time; a script
that makes more makes them anew all the time."""

_FUNCTIONS = frozenset({"F"})
"""What paths of activations that are called as functions begin with."""

_WRAPPERS = ("module.", "_orig_mod.", "_fsdp_wrapped_module.")


@dataclass(frozen=True)
class _Root:
    """A model.

    Attributes:
        reference: To it.
        name: Its own.
        prefix: What paths in it begin with.
        called: What the script calls it; ``""`` where that is not known.
    """

    reference: weakref.ref[nn.Module]
    name: str
    prefix: str
    called: str


class Names:
    """The models that were seen, and the paths of what is inside them.

    The first model's paths are those of ``model.named_modules()``; where there are several models, paths of the others
    begin with their names. The name of a model is its class's; where this tells nothing, as that of ``nn.Sequential``,
    or is another model's already, it is what the script calls the model, or else its class's with a number.
    """

    def __init__(self) -> None:
        self._roots: list[_Root] = []
        self._modules: dict[int, tuple[weakref.ref[nn.Module], str]] = {}
        self._parameters: dict[int, tuple[weakref.ref[Tensor], str]] = {}
        self._anonymous: dict[int, tuple[weakref.ref[Tensor], str]] = {}
        self._searches = 0
        self._kept = 0

    @property
    def roots(self) -> list[nn.Module]:
        """The models that still exist, in the order first seen."""
        return [root for item in self._roots if (root := item.reference()) is not None]

    def add(self, module: nn.Module) -> nn.Module:
        """Get to know a model by a module that was called by itself; gives the model it is a part of."""
        known = self._modules.get(id(module))
        if known is not None and known[0]() is module:
            return self._root_of(module)
        self._forget()
        self._searches += 1
        root, called = module, ""
        if self._searches <= MOST_SEARCHES:
            root = _owner(module)
            called = called_as(next(path for path, part in root.named_modules() if part is module))
        name = self._new_name(root, called) if self.roots else type(root).__name__
        prefix = f"{name}." if self.roots else ""
        self._roots.append(_Root(weakref.ref(root), name, prefix, called))
        self._learn(root, prefix)
        return root

    def refresh(self) -> None:
        """Learn what has been put into the known models since, such as a new last layer."""
        for item in self._roots:
            root = item.reference()
            if root is not None:
                self._learn(root, item.prefix)

    def name_of(self, root: nn.Module) -> str:
        """The name of a model; its class's where it is not known."""
        return next((item.name for item in self._roots if item.reference() is root), type(root).__name__)

    def path(self, module: nn.Module) -> str:
        """Path of a module; its class name where it belongs to no known model."""
        return self.known_path(module) or type(module).__name__

    def known_path(self, module: nn.Module) -> str | None:
        """Path of a module; ``None`` where it belongs to no known model."""
        known = self._modules.get(id(module))
        return known[1] if known is not None and known[0]() is module else None

    def of_parameter(self, parameter: Tensor) -> str:
        """Path of a parameter."""
        for table in (self._parameters, self._anonymous):
            known = table.get(id(parameter))
            if known is not None and known[0]() is parameter:
                return known[1]
        name = f"parameter {len(self._anonymous)}"
        self._anonymous[id(parameter)] = (weakref.ref(parameter), name)
        return name

    def owner_of(self, parameter: Tensor) -> str:
        """Path of the module that a parameter belongs to; of the parameter itself at the top of a model."""
        path = self.of_parameter(parameter)
        return path.rpartition(".")[0] or path

    def owners(self) -> Iterator[tuple[str, nn.Module]]:
        """``(path, module)`` of all modules of the known models, in their order."""
        for item in self._roots:
            root = item.reference()
            if root is not None:
                for name, module in root.named_modules():
                    yield _clean(item.prefix + name), module

    def _new_name(self, root: nn.Module, called: str) -> str:
        """A name for a further model that no other has, and that no path of the first one begins with."""
        kind = type(root).__name__
        taken = {item.name for item in self._roots} | _FUNCTIONS
        taken |= {name for item in self.roots for name, _ in item.named_children()}
        tells_little = type(root).__module__.startswith("torch.nn.") or kind in taken
        # what a loop calls all of them tells none apart
        if tells_little and called and called not in taken | {item.called for item in self._roots}:
            return called
        numbered = (f"{kind}{number}" for number in itertools.count(2))
        return next(name for name in itertools.chain([kind], numbered) if name not in taken)

    def _forget(self) -> None:
        """Forget the models that exist no longer, where there are as many as others."""
        if len(self._modules) + len(self._parameters) <= 2 * self._kept + MOST_SEARCHES:
            return
        self._roots = [item for item in self._roots if item.reference() is not None]
        self._modules = {key: item for key, item in self._modules.items() if item[0]() is not None}
        self._parameters = {key: item for key, item in self._parameters.items() if item[0]() is not None}
        self._anonymous = {key: item for key, item in self._anonymous.items() if item[0]() is not None}
        self._kept = len(self._modules) + len(self._parameters)

    def _root_of(self, module: nn.Module) -> nn.Module:
        path = self._modules[id(module)][1]
        owners = [item for item in reversed(self._roots) if path.startswith(item.prefix)]
        root = max(owners, key=lambda item: len(item.prefix)).reference() if owners else None
        return module if root is None else root

    def _learn(self, root: nn.Module, prefix: str) -> None:
        for name, module in root.named_modules(remove_duplicate=True):
            self._modules[id(module)] = (weakref.ref(module), _clean(prefix + name) or type(root).__name__)
        for name, parameter in root.named_parameters():
            self._parameters[id(parameter)] = (weakref.ref(parameter), _clean(prefix + name))


def _clean(path: str) -> str:
    for wrapper in _WRAPPERS:
        path = path.removeprefix(wrapper).replace(f".{wrapper}", ".")
    return path.rstrip(".")


def _owner(module: nn.Module) -> nn.Module:
    """The outermost module that holds this one, found among all objects: a script may call only a part of its model."""
    for _ in range(16):
        parents = [
            owner
            for table in gc.get_referrers(module)
            if isinstance(table, dict) and table is not vars(module)
            for owner in _modules_with(table)
            if owner is not module
        ]
        if len(parents) != 1 or isinstance(parents[0], nn.modules.loss._Loss):
            return module
        module = parents[0]
    return module


def _modules_with(table: dict[Any, Any]) -> list[nn.Module]:
    """The modules whose table of children this is."""
    owners = []
    for holder in gc.get_referrers(table):
        if isinstance(holder, dict) and holder.get("_modules") is table:
            owners += [
                item for item in gc.get_referrers(holder) if isinstance(item, nn.Module) and vars(item) is holder
            ]
        elif isinstance(holder, nn.Module) and vars(holder).get("_modules") is table:
            owners.append(holder)
    return owners
