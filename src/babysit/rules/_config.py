"""Which rules are asked, with which limits, and how their answers count: `[tool.babysit]` of a pyproject.toml.

```toml
[tool.babysit]
select = ["LOS", "UPD"]            # codes, or how they begin; all rules without it
ignore = ["LOS003"]                # the longer entry wins; ignore, where both are as long

[tool.babysit.per-module-ignore]
"backbone.*" = ["UPD001"]          # shell patterns of module paths

[tool.babysit.severity]
GEN = "info"                       # error, warning or info

[tool.babysit.rules.LOS002]
factor = 4.0                       # the options of the rule's page
```
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babysit.errors import InputError, suggest
from babysit.rules._base import Finding, Rule, Severity
from babysit.rules._catalogue import catalogue
from babysit.rules._toml import TomlValue, read_table

_LARGEST = 1e300
_CODES = "codes of rules, or how they begin"
_WORDS = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text"}


@dataclass(frozen=True)
class Config:
    """Which rules are asked and how their answers count; without arguments, all of them as they are.

    Attributes:
        select: Codes, or how they begin, of the rules to ask; all where empty.
        ignore: Likewise, of findings to leave out. The longer entry wins; ignore, where both are as long.
        severity: Code, or how it begins → severity of its findings; the longest entry wins.
        per_module_ignore: Shell pattern of module paths → codes, or how they begin, to leave out there. A finding that
            names no module is left out by none.
        thresholds: Code → name of an option → its value.

    Example:
        >>> config = Config(select=("LOS",), ignore=("LOS00", "GEN"))
        >>> [code for code in ("LOS001", "GEN001", "UPD001") if config.selects(code)]
        ['LOS001']
        >>> config.ignores("LOS001"), Config(select=("LOS001",), ignore=("LOS",)).ignores("LOS001")
        (True, False)
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, Severity] = field(default_factory=dict)
    per_module_ignore: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    thresholds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def selects(self, code: str) -> bool:
        """Whether the rule is asked."""
        return not self.select or bool(_longest(self.select, code))

    def ignores(self, code: str) -> bool:
        """Whether all its findings are left out."""
        entry = _longest(self.ignore, code)
        return bool(entry) and len(entry) >= len(_longest(self.select, code))


DEFAULTS = Config()


@dataclass(frozen=True)
class _Suppression:
    """One entry that leaves findings out; everywhere, where ``pattern`` is ``None``."""

    code: str
    pattern: str | None = None

    def covers(self, finding: Finding) -> bool:
        if not finding.code.startswith(self.code):
            return False
        return self.pattern is None or (bool(finding.module) and fnmatchcase(finding.module, self.pattern))

    def __str__(self) -> str:
        return f"ignore {self.code}" if self.pattern is None else f"per-module-ignore {self.pattern} {self.code}"


def read_config(start: Path) -> Config:
    """The configuration of the nearest pyproject.toml that has one.

    Args:
        start: The folder to begin with; then the folders above it.

    Returns:
        The defaults where no pyproject.toml has a `[tool.babysit]` table.

    Raises:
        InputError: A pyproject.toml cannot be read; or a key, a code, an option or a type is wrong.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        table = read_table(folder / "pyproject.toml", "tool", "babysit")
        if table is not None:
            return Config(**dict(_parts(table)))
    return DEFAULTS


def codes_of(names: Iterable[str], subject: str) -> tuple[str, ...]:
    """The names, each of which must be the code of a rule or how one begins.

    Args:
        names: What was given.
        subject: Where, for the message.

    Raises:
        InputError: No rule's code begins like that.
    """
    known = catalogue()
    given = tuple(names)
    for name in given:
        if not name or not any(code.startswith(name) for code in known):
            todo = suggest(name, [*known, *(code[:3] for code in known)], "babysit rules lists them")
            raise InputError(subject, expected=_CODES, found=repr(name), todo=todo)
    return given


def apply(config: Config, rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules to ask, with their limits; those to ignore among them, as only their findings show if there was need.

    Example:
        >>> from babysit.rules._catalogue import all_rules
        >>> config = Config(select=("LOS002",), thresholds={"LOS002": {"factor": 4.0}})
        >>> apply(config, all_rules())
        (ExplodingLoss(factor=4.0, recovered=0.9, harmless=0.25, looked_at=3),)
    """
    return tuple(
        dataclasses.replace(rule, **config.thresholds.get(rule.code, {})) for rule in rules if config.selects(rule.code)
    )


def filter_findings(
    config: Config, findings: Sequence[Finding], asked: Collection[str]
) -> tuple[list[Finding], tuple[str, ...]]:
    """Leave out what is to be ignored, and give the rest the severity wanted.

    Args:
        config: The configuration.
        findings: What the rules said.
        asked: Codes of the rules that were asked.

    Returns:
        The findings that count; and a line for each suppression that suppressed nothing of the rules asked.
    """
    suppressions = tuple(_suppressions(config))
    kept: list[Finding] = []
    used: set[_Suppression] = set()
    for finding in findings:
        by = {item for item in suppressions if item.covers(finding) and (item.pattern or config.ignores(finding.code))}
        used |= by
        if not by:
            wanted = config.severity.get(_longest(config.severity, finding.code), finding.severity)
            kept.append(dataclasses.replace(finding, severity=wanted))
    unused = (item for item in suppressions if item not in used and any(code.startswith(item.code) for code in asked))
    return kept, tuple(f"{item} suppressed nothing in this run" for item in unused)


def _suppressions(config: Config) -> Iterator[_Suppression]:
    for code in dict.fromkeys(config.ignore):
        yield _Suppression(code)
    for pattern, codes in config.per_module_ignore.items():
        for code in dict.fromkeys(codes):
            yield _Suppression(code, pattern)


def _longest(entries: Iterable[str], code: str) -> str:
    """The longest of the entries that the code begins with; ``""`` where it begins with none."""
    return max((entry for entry in entries if code.startswith(entry)), key=len, default="")


def _parts(table: TomlValue) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if name not in _KEYS:
            raise _unknown(value, f"one of {', '.join(_KEYS)}", name, _KEYS)
        attribute, read = _KEYS[name]
        yield attribute, read(value)


def _select(value: TomlValue) -> tuple[str, ...]:
    codes = _codes(value)
    if not codes:
        raise value.refused("at least one code", "leave the key out to ask all rules")
    return codes


def _codes(value: TomlValue) -> tuple[str, ...]:
    return codes_of(value.texts(f"a list of {_CODES}"), value.subject)


def _severities(table: TomlValue) -> Mapping[str, Severity]:
    found: dict[str, Severity] = {}
    for name, value in table.items():
        (code,) = codes_of([name], table.subject)
        if value.value not in tuple(Severity):
            raise value.refused(f"one of {', '.join(Severity)}", f"write it like {code} = 'info'")
        found[code] = Severity(value.value)
    return found


def _per_module(table: TomlValue) -> Mapping[str, tuple[str, ...]]:
    return {pattern: _codes(value) for pattern, value in table.items()}


def _thresholds(table: TomlValue) -> Mapping[str, Mapping[str, Any]]:
    known = catalogue()
    found: dict[str, Mapping[str, Any]] = {}
    for code, options in table.items():
        if code not in known:
            raise _unknown(options, "the code of a rule", code, known, "babysit rules lists them")
        found[code] = dict(_options(known[code](), options))
    return found


def _options(rule: Rule, table: TomlValue) -> Iterator[tuple[str, Any]]:
    known = [item.name for item in dataclasses.fields(rule)]
    for name, value in table.items():
        if name not in known:
            expected = f"an option of {rule.code} ({', '.join(known)})"
            raise _unknown(value, expected, name, known, f"babysit rule {rule.code} explains them")
        yield name, _option(value, type(getattr(rule, name)))


def _option(value: TomlValue, kind: type[Any]) -> Any:
    """The value, of the same type as the default, where a whole number is a number too."""
    given = value.value
    fits = type(given) is kind or (kind is float and type(given) is int)
    # NaN fails every comparison and would silence a rule for good
    if not fits or (kind in (int, float) and not abs(given) <= _LARGEST):
        raise value.refused(_WORDS.get(kind, f"a value of type {kind.__name__}"), "give it one")
    return kind(given)


def _unknown(
    value: TomlValue, expected: str, name: str, known: Iterable[str], otherwise: str = "use one of these"
) -> InputError:
    return InputError(value.subject, expected=expected, found=repr(name), todo=suggest(name, known, otherwise))


_KEYS: Mapping[str, tuple[str, Callable[[TomlValue], Any]]] = MappingProxyType(
    {
        "select": ("select", _select),
        "ignore": ("ignore", _codes),
        "per-module-ignore": ("per_module_ignore", _per_module),
        "severity": ("severity", _severities),
        "rules": ("thresholds", _thresholds),
    }
)
"""Key of `[tool.babysit]` → attribute of :class:`Config` and how it is read."""
