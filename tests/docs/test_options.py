"""What the pages say of the commands' options, against what the commands take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from babysit.cli import app

PAGES = {
    "train": "docs/train.md",
    "predict": "docs/train.md",
    "judge": "docs/train.md",
    "report": "docs/train.md",
    "run": "docs/watch.md",
    "check": "docs/check.md",
    "search": "docs/search.md",
    "lab": "README.md",
}
"""The page that describes each command."""


def options_of(command: Any) -> set[str]:
    return {name for item in command.params for name in (*item.opts, *item.secondary_opts) if name.startswith("-")}


COMMANDS = {name: options_of(command) for name, command in get_command(app).commands.items()}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_every_option_of_its_command(docs: Path, name: str) -> None:
    text = (docs.parent / PAGES[name]).read_text()
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", text))
    assert COMMANDS[name] - {"-h", "--help"} <= named


def test_every_option_that_is_shown_exists(docs: Path) -> None:
    pages = [docs.parent / "README.md", *docs.glob("*.md")]
    text = "\n".join(page.read_text() for page in pages).replace("\\\n", " ")
    shown = re.findall(r"^(?:\$ )?babysit (?!watched)([a-z]+) (.*)$", text, flags=re.MULTILINE)
    assert {name for name, _ in shown} > set(PAGES) - {"predict"}
    for name, words in shown:
        # what follows the script is the script's own
        own = words.partition("#")[0].partition(".py ")[0] if name in ("run", "check") else words.partition("#")[0]
        assert set(re.findall(r"(?<!\S)--[a-z0-9-]+", own)) <= COMMANDS[name], f"{name} {words}"
