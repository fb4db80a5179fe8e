"""What the tests of the documentation share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def docs() -> Path:
    """The folder of the documentation."""
    return ROOT / "docs"


@pytest.fixture(scope="session")
def blocks() -> Callable[[Path, str], list[str]]:
    """``blocks(page, "python")``: the fenced blocks of one language in a page."""

    def found(page: Path, language: str) -> list[str]:
        return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)

    return found
