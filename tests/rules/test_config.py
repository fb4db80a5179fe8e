from __future__ import annotations

import dataclasses
import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.diagnose import diagnose
from babysit.errors import InputError
from babysit.measure.record import RunRecord
from babysit.rules import Evidence, Finding, Rule, Severity
from babysit.rules import _config as config_module
from babysit.rules._catalogue import all_rules, catalogue
from babysit.rules._config import DEFAULTS, Config, apply, filter_findings, read_config
from babysit.testing import record

WHOLE = """
[project]
name = "theirs"

[tool.babysit]
select = ["LOS", "GEN001", "UPD"]
ignore = ["LOS003"]

[tool.babysit.per-module-ignore]
"backbone.*" = ["UPD001", "UPD002"]

[tool.babysit.severity]
LOS = "info"
LOS002 = "error"

[tool.babysit.rules.LOS002]
factor = 4
recovered = 0.5

[tool.babysit.rules.LOS008]
min_steps = 500
"""


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def finding(code: str, module: str = "", severity: Severity = Severity.WARNING) -> Finding:
    return Finding(code, "name", severity, "it", (Evidence("x", 1.0),), ("y",), "test", module)


def test_everything_there_is_to_configure(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, WHOLE)) == Config(
        select=("LOS", "GEN001", "UPD"),
        ignore=("LOS003",),
        severity={"LOS": Severity.INFO, "LOS002": Severity.ERROR},
        per_module_ignore={"backbone.*": ("UPD001", "UPD002")},
        thresholds={"LOS002": {"factor": 4.0, "recovered": 0.5}, "LOS008": {"min_steps": 500}},
    )


def test_the_module_explains_itself_with_a_configuration_that_is_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", config_module.__doc__ or "", re.DOTALL)
    config = read_config(write(tmp_path, example))
    assert all(getattr(config, item.name) for item in dataclasses.fields(config)), "every key is shown"


def test_the_documentation_shows_a_configuration_that_is_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    config = read_config(write(tmp_path, example))
    assert all(getattr(config, item.name) for item in dataclasses.fields(config)), "every key is shown"


def test_the_nearest_table_counts_and_files_without_one_do_not(tmp_path: Path) -> None:
    write(tmp_path, '[tool.babysit]\nignore = ["GEN"]')
    inner = write(tmp_path / "a" / "b", "[tool.ruff]\nline-length = 120")
    assert read_config(inner / "not" / "there").ignore == ("GEN",)
    write(tmp_path / "a", "[tool.babysit]")
    assert read_config(inner) == DEFAULTS
    assert read_config(tmp_path / "pyproject.toml").ignore == ("GEN",)


@pytest.mark.parametrize("text", ["", "tool = 3", "[tool]\nruff = 3"])
def test_no_table_is_the_defaults(tmp_path: Path, text: str) -> None:
    write(tmp_path / "a", text)
    write(tmp_path, "[tool.babysit]")  # so that nothing above the test's own folder is read
    assert read_config(tmp_path / "a") == DEFAULTS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("selekt = []", "tool.babysit.selekt: expected one of select, ignore, per-module-ignore, severity, rules"),
        ("selekt = []", "found 'selekt'; did you mean 'select'?"),
        ("select = 'LOS'", "tool.babysit.select: expected a list of codes of rules, or how they begin, found 'LOS'"),
        ("select = [1]", 'found [1]; write it like ["LOS", "GEN001"]'),
        ("select = []", "expected at least one code, found []; leave the key out to ask all rules"),
        ('ignore = ["LOS01"]', "found 'LOS01'; did you mean 'LOS001'"),
        ('ignore = ["los001"]', "did you mean 'LOS001'"),
        ('ignore = [""]', "found ''; babysit rules lists them"),
        ('severity = "info"', "tool.babysit.severity: expected a table, found 'info'; write it as a [tool.babysit.sev"),
        ('severity = {LOS001 = "bad"}', "severity.LOS001: expected one of error, warning, info, found 'bad'"),
        ("severity = {LOS001 = 3}", "found 3"),
        ('severity = {LOSS = "info"}', "tool.babysit.severity: expected codes of rules, or how they begin, found 'LO"),
        ('per-module-ignore = ["GRD001"]', "tool.babysit.per-module-ignore: expected a table"),
        ('per-module-ignore = {"a.*" = "UPD001"}', "per-module-ignore.a.*: expected a list of codes"),
        ('per-module-ignore = {"a.*" = ["UPD999"]}', "found 'UPD999'; did you mean 'UPD"),
        ("rules = {LOS02 = {factor = 4}}", "rules.LOS02: expected the code of a rule, found 'LOS02'; did you mean"),
        ("rules = {LOS = {factor = 4}}", "expected the code of a rule, found 'LOS'"),
        ("rules = {LOS002 = 4}", "rules.LOS002: expected a table, found 4"),
        (
            "rules = {LOS002 = {ratio = 4}}",
            "LOS002.ratio: expected an option of LOS002 (factor, recovered, harmless, looked_at), found 'ratio'",
        ),
        ("rules = {LOS002 = {facter = 4}}", "did you mean 'factor'?"),
        ("rules = {LOS002 = {factor = '4'}}", "LOS002.factor: expected a finite number, found '4'; give it one"),
        ("rules = {LOS002 = {factor = true}}", "expected a finite number, found True"),
        ("rules = {LOS002 = {factor = nan}}", "expected a finite number, found nan"),
        ("rules = {LOS002 = {factor = -inf}}", "expected a finite number, found -inf"),
        (f"rules = {{LOS002 = {{factor = 1{'0' * 400}}}}}", "expected a finite number, found 100"),
        ("rules = {LOS008 = {min_steps = 2.5}}", "min_steps: expected a whole number, found 2.5"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    write(tmp_path, f"[tool.babysit]\n{text}")
    with pytest.raises(InputError) as error:
        read_config(tmp_path)
    assert says in str(error.value)
    assert str(error.value).startswith(f"{tmp_path.resolve() / 'pyproject.toml'}, tool.babysit")
    assert len(str(error.value)) < 400


def test_a_table_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tool.babysit: expected a table, found 3"):
        read_config(write(tmp_path, "[tool]\nbabysit = 3"))


@pytest.mark.parametrize("content", [b"[tool.babysit", b"\xff\xfe", b"a = " + b"[" * 100_000])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    with pytest.raises(InputError, match=r"pyproject.toml: expected a readable TOML file"):
        read_config(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(InputError, match="expected a readable TOML file, found is a directory; make it readable"):
        read_config(tmp_path)


def test_every_option_of_every_rule_can_be_set(tmp_path: Path) -> None:
    options = {
        (rule.code, item.name): getattr(rule, item.name) for rule in all_rules() for item in dataclasses.fields(rule)
    }
    lines = [f"[tool.babysit]\nrules.{code}.{name} = {value + 1!r}" for (code, name), value in options.items()]
    text = "\n".join(line.removeprefix("[tool.babysit]\n") for line in lines)
    changed = apply(read_config(write(tmp_path, f"[tool.babysit]\n{text}")), all_rules())
    assert {
        (rule.code, item.name): getattr(rule, item.name) for rule in changed for item in dataclasses.fields(rule)
    } == {key: value + 1 for key, value in options.items()}


def test_the_defaults_change_nothing() -> None:
    rules = all_rules()
    assert apply(DEFAULTS, rules) == rules
    findings = [finding("LOS001"), finding("UPD001", "a.b")]
    assert filter_findings(DEFAULTS, findings, ["LOS001", "UPD001"]) == (findings, ())


ENTRIES = st.lists(st.sampled_from(["L", "LOS", "LOS0", "LOS001", "LOS002", "GEN", "GEN001"]), max_size=3).map(tuple)


@given(ENTRIES, ENTRIES)
def test_the_longer_of_two_entries_wins(select: tuple[str, ...], ignore: tuple[str, ...]) -> None:
    config = Config(select=select, ignore=ignore)
    for code in ("LOS001", "LOS002", "GEN001"):
        beginnings = [code[:length] for length in range(len(code), 0, -1)]  # the longest first, as one would look it up
        verdicts = itertools.chain.from_iterable(
            (*(["out"] if entry in ignore else []), *(["in"] if entry in select else [])) for entry in beginnings
        )
        counts = next(verdicts, "out" if select else "in") == "in"
        kept, _ = filter_findings(config, [finding(code)], [code])
        asked = [rule for rule in apply(config, [catalogue()[code]()]) if kept]
        assert bool(asked) is counts


def test_findings_of_some_modules_are_left_out() -> None:
    config = Config(per_module_ignore={"backbone.*": ("UPD",), "head": ("GEN001",)})
    places = [("UPD001", "backbone.0.conv"), ("UPD001", "backbone"), ("UPD001", "head"), ("UPD001", ""), ("GEN001", "")]
    kept, unused = filter_findings(config, [finding(*place) for place in places], ["UPD001", "GEN001"])
    assert [(item.code, item.module) for item in kept] == places[1:]
    assert unused == ("per-module-ignore head GEN001 suppressed nothing in this run",)


def test_a_star_does_not_cover_what_has_no_module() -> None:
    config = Config(per_module_ignore={"*": ("UPD001",)})
    kept, _ = filter_findings(config, [finding("UPD001"), finding("UPD001", "a")], ["UPD001"])
    assert [item.module for item in kept] == [""]


def test_suppressions_that_suppress_nothing_are_named_unless_their_rules_were_not_asked() -> None:
    config = Config(ignore=("LOS001", "UPD", "GEN001"), per_module_ignore={"a": ("UPD001", "UPD002")})
    _, unused = filter_findings(config, [finding("LOS001"), finding("UPD002", "a")], ["LOS001", "UPD001", "UPD002"])
    assert unused == ("per-module-ignore a UPD001 suppressed nothing in this run",)
    _, unused = filter_findings(config, [], ["LOS001", "UPD001"])
    assert unused == (
        "ignore LOS001 suppressed nothing in this run",
        "ignore UPD suppressed nothing in this run",
        "per-module-ignore a UPD001 suppressed nothing in this run",
    )


def test_the_longest_entry_says_how_severe() -> None:
    config = Config(severity={"LOS": Severity.INFO, "LOS001": Severity.ERROR})
    kept, _ = filter_findings(config, [finding("LOS001"), finding("LOS002"), finding("GEN001")], [])
    assert [item.severity for item in kept] == [Severity.ERROR, Severity.INFO, Severity.WARNING]


@dataclass(frozen=True)
class Fails(Rule):
    """A rule that cannot even say whether it applies."""

    code: ClassVar[str] = "XYZ001"
    name: ClassVar[str] = "fails"
    severity: ClassVar[Severity] = Severity.INFO
    needs: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "test"

    def applies(self, run: RunRecord) -> bool:
        raise ZeroDivisionError("oh")

    def check(self, run: RunRecord):
        yield from ()


EXPLODES = record([2.3, 90.0, float("nan")], lr=1e6)


def codes(config: Config) -> list[str]:
    return [item.code for item in diagnose(EXPLODES, config=config).findings]


def test_a_cause_that_is_ignored_hides_no_symptom() -> None:
    assert codes(DEFAULTS) == ["LOS001"]
    assert codes(Config(ignore=("LOS001",))) == ["LOS002"]
    assert codes(Config(severity={"LOS001": Severity.INFO})) == ["LOS002", "LOS001"]


def test_thresholds_reach_the_rules() -> None:
    assert codes(Config(select=("LOS002",))) == ["LOS002"]
    assert codes(Config(select=("LOS002",), thresholds={"LOS002": {"factor": 50.0}})) == []


def test_the_curve_is_read_whatever_is_ignored_and_not_at_all_from_some_rules() -> None:
    assert diagnose(EXPLODES, config=Config(ignore=("LOS",))).curve == diagnose(EXPLODES).curve
    assert diagnose(EXPLODES, config=Config(select=("GEN",))).curve == ""


def test_a_rule_that_fails_is_not_told_of_when_it_is_ignored() -> None:
    diagnosis = diagnose(EXPLODES, [Fails()])
    assert (diagnosis.broken, diagnosis.asked) == ({"XYZ001": "ZeroDivisionError: oh"}, ())
    assert diagnose(EXPLODES, [Fails()], Config(ignore=("XYZ001",))).broken == {}


def test_the_rules_asked_are_those_that_count() -> None:
    asked = diagnose(EXPLODES, config=Config(select=("LOS",), ignore=("LOS002",))).asked
    assert "LOS001" in asked
    assert "LOS002" not in asked
    assert all(code.startswith("LOS") for code in asked)
