"""Makes the docstrings fit for the site: Sphinx' roles become links, an example becomes a block of code."""

from __future__ import annotations

import re

import griffe

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):`(~?)([\w.]+)`")


def to_markdown(text: str) -> str:
    """A docstring as the site's Markdown takes it.

    Args:
        text: As it stands in the source.
    """
    text = _ROLE.sub(lambda role: _link(role[2], short=bool(role[1])), text)
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)  # the heading that the parser knows
    return re.sub(r"::$", ":", text, flags=re.MULTILINE).replace("``", "`")


def _link(path: str, *, short: bool) -> str:
    """A link where the name is on a page of the site, and its name alone where it is not."""
    name = path.rpartition(".")[2] if short else path
    return f'<autoref identifier="{path}" optional><code>{name}</code></autoref>'


class Docstrings(griffe.Extension):
    """Changes each docstring as it is collected."""

    def on_instance(self, *, obj: griffe.Object, **_: object) -> None:
        """Called for every module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)
