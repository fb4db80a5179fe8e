"""What all tests share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import settings

from babysit.testing import Watched, watch_script

# a busy machine must not fail a property, and the same tests have to pass twice; test-all draws anew, and more
settings.register_profile("babysit", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.load_profile("babysit")

# one thread a process: so it is faster beside others, and a forked child cannot wait for threads it has not
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def zoo() -> Callable[[str], Watched]:
    """``zoo("sick/los007_mlp")``: a training of the zoo, watched; each is trained once a session."""
    return _zoo


@pytest.fixture(scope="session")
def subjects() -> ModuleType:
    """The module beside this file: models to be checked before training."""
    torch.set_num_threads(1)
    spec = spec_from_file_location("subjects", Path(__file__).parent / "subjects.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _zoo(name: str) -> Watched:
    return watch_script(Path(__file__).parent / "zoo" / f"{name}.py", "0")
