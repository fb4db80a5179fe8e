from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import babysit.rules._catalogue as module
from babysit.rules import Rule, Severity
from babysit.rules._catalogue import all_rules, catalogue

NAMES = {
    "DAT001": "uncentred-input",
    "DAT002": "unscaled-input",
    "DAT003": "nonfinite-input",
    "DAT004": "constant-target",
    "DAT005": "unshuffled-batches",
    "DAT006": "class-imbalance",
    "DAT007": "target-out-of-range",
    "DAT008": "repeated-batch",
    "DAT009": "train-validation-overlap",
    "DAT010": "broadcast-loss",
    "DAT011": "split-shift",
    "PRE001": "unexpected-initial-loss",
    "PRE002": "regularization-without-effect",
    "PRE003": "unfittable-subset",
    "PRE004": "gradient-mismatch",
    "PRE005": "batch-leakage",
    "PRE006": "input-ignored",
    "PRE007": "nondeterministic-evaluation",
    "PRE008": "future-leakage",
    "INI001": "symmetric-units",
    "INI002": "shrinking-activations",
    "INI003": "growing-activations",
    "INI004": "late-start",
    "ACT001": "dead-relu",
    "ACT002": "saturated-activation",
    "ACT003": "sigmoid-hidden-layers",
    "ACT004": "missing-nonlinearity",
    "ACT005": "constant-output",
    "GRD001": "vanishing-gradient",
    "GRD002": "exploding-gradient",
    "GRD003": "nonfinite-gradient",
    "GRD004": "no-gradient",
    "GRD005": "accumulated-gradient",
    "GRD006": "over-clipped",
    "UPD001": "tiny-update",
    "UPD002": "huge-update",
    "UPD003": "parameter-not-optimized",
    "UPD004": "no-update",
    "UPD005": "decay-dominates",
    "UPD006": "zero-learning-rate",
    "LOS001": "nonfinite-loss",
    "LOS002": "exploding-loss",
    "LOS003": "slow-loss",
    "LOS004": "early-plateau",
    "LOS005": "oscillating-loss",
    "LOS006": "rising-loss",
    "LOS007": "double-softmax",
    "LOS008": "chance-level",
    "LOS009": "loss-domain",
    "GEN001": "overfitting",
    "GEN002": "underfitting",
    "GEN003": "wrong-mode",
    "NRM001": "small-batch-normalization",
    "DST001": "diverged-replicas",
    "DST002": "duplicated-shards",
    "SRC001": "best-at-edge",
    "SRC002": "mostly-diverged",
}


def test_codes_and_names_are_the_published_ones() -> None:
    found = {code: rule.name for code, rule in catalogue().items()}
    assert {code: found.get(code) for code in NAMES} == NAMES
    assert list(found) == sorted(found)


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)
def test_file_class_and_test_are_named_after_the_rule(rule: Rule) -> None:
    assert type(rule).__module__ == f"babysit.rules.{rule.code.lower()}_{rule.name.replace('-', '_')}"
    assert (Path(__file__).parent / f"test_{rule.code.lower()}.py").exists()
    assert type(rule).__name__ == rule.name.title().replace("-", "")
    assert re.fullmatch("[A-Z]{3}[0-9]{3}", rule.code)


def test_rules_answer_without_torch() -> None:
    program = """
import sys
from babysit.diagnose import diagnose
from babysit.rules._pages import index, page
from babysit.rules._catalogue import catalogue
from babysit.testing import record
index(), [page(rule) for rule in catalogue().values()], diagnose(record([2.3] * 200))
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


class Foreign(Rule):
    """A rule of another package."""

    code, name, severity, needs, source = "XYZ001", "foreign", Severity.INFO, ("losses",), "test"

    def check(self, run):
        yield from ()


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch):
    """Let another package bring the rule that its entry point names."""

    def bring(value: str) -> dict[str, type[Rule]]:
        entry = EntryPoint("brought", value, module.ENTRY_POINT_GROUP)
        monkeypatch.setattr(module, "entry_points", lambda **_: [entry])
        catalogue.cache_clear()
        return dict(catalogue())

    yield bring
    catalogue.cache_clear()


def test_other_packages_bring_rules(foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "their_rules", sys.modules[__name__])
    assert foreign("their_rules:Foreign")["XYZ001"] is Foreign


def test_a_package_whose_rule_does_not_load_is_named_and_skipped(foreign) -> None:
    with pytest.warns(RuntimeWarning, match="rule 'brought' of no_such_package:Rule was not loaded"):
        assert set(foreign("no_such_package:Rule")) == set(NAMES)
