"""What the pages have to hold: every public name, every page a place in the navigation."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import babysit as bs
from babysit.lab import sections
from babysit.report.lab_docs import slug

PACKAGES = ("data", "fit", "lab", "nn", "preflight", "rules", "search", "testing", "watch")


@pytest.fixture(scope="module")
def reference(docs: Path) -> dict[str, object]:
    """What the reference describes, by its path."""
    paths = [
        path for page in (docs / "api").glob("*.md") for path in re.findall(r"^::: (\S+)$", page.read_text(), re.M)
    ]
    assert len(paths) == len(set(paths))
    return {path: resolved(path) for path in paths}


def resolved(path: str) -> object:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def public_names(package: Any) -> set[str]:
    if hasattr(package, "__all__"):
        return set(package.__all__)
    exported = {name for name in vars(package) if not name.startswith("_")}
    return {name for name in exported if getattr(vars(package)[name], "__module__", "").startswith(package.__name__)}


@pytest.mark.parametrize("package", ["", *PACKAGES])
def test_every_public_name_is_described(package: str, reference: dict[str, object]) -> None:
    home = importlib.import_module(f"babysit.{package}".rstrip("."))
    described = {id(value) for value in reference.values()}
    values = {name: getattr(home, name) for name in public_names(home) if name != "__version__"}
    assert values
    callables = {name: getattr(value, name) if isinstance(value, type(bs)) else value for name, value in values.items()}
    assert {name for name, value in callables.items() if id(value) not in described} == set()


def places(nav: list[Any]) -> Iterator[str]:
    for item in nav:
        for value in item.values():
            yield from [value] if isinstance(value, str) else places(value)


def test_every_page_has_its_place(docs: Path) -> None:
    nav = list(places(yaml.safe_load((docs.parent / "mkdocs.yml").read_text())["nav"]))
    pages = {str(page.relative_to(docs)) for page in docs.rglob("*.md")}
    assert {page for page in pages if not page.startswith("rules/")} == set(nav) - {"rules/index.md"}
    assert [name for name in nav if name.startswith("lab/")][1:] == [
        f"lab/{slug(section)}.md" for section in sections()
    ]


def test_docstrings_are_made_fit_for_the_site(docs: Path) -> None:
    pytest.importorskip("griffe")
    spec = importlib.util.spec_from_file_location("docstrings", docs / "support/docstrings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    link = '<autoref identifier="babysit.data.Dataset" optional><code>Dataset</code></autoref>'
    assert module.to_markdown("A :class:`~babysit.data.Dataset`, ``x``.") == f"A {link}, `x`."
    assert (
        module.to_markdown("So::\n\n    x = 1\n\nExample:\n    >>> 1\n") == "So:\n\n    x = 1\n\nExamples:\n    >>> 1\n"
    )


def test_no_page_needs_another_host(docs: Path) -> None:
    config = (docs.parent / "mkdocs.yml").read_text()
    assert "highlightjs: false" in config
    assert "http" not in (docs / "site.css").read_text()
