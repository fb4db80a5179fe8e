import doctest

import pytest

from babysit.lab import claims
from babysit.lab.example import standalone
from babysit.lab.section import Claim, Outcome


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.id)
def test_examples_can_be_pasted(claim):
    parsed = doctest.DocTestParser().get_doctest(standalone(claim) + "\n", {}, claim.id, None, 0)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=flags, verbose=False)
    assert runner.run(parsed, out=lambda _: None).failed == 0


def uses_many(bench):
    """Measure.

    Example:
        >>> import math as m
        >>> def twice(x): return 2 * x
        >>> kind = Outcome([], note=str(twice(m.pi)))
        >>> [runner for runner in (1, 2)], doctest.__name__
        ([1, 2], 'doctest')
    """
    return Outcome([])


def test_only_what_is_missing_is_imported():
    lines = standalone(Claim("A1", "", "", uses_many)).splitlines()
    assert lines[:3] == [">>> import doctest", ">>> from babysit.lab.section import Outcome", ">>> import math as m"]


def test_an_example_without_needs_stays_as_it_is():
    def run(bench):
        """Measure.

        Example:
            >>> 1 + 1
            2
        """

    claim = Claim("A1", "", "", run)
    assert standalone(claim) == claim.example == ">>> 1 + 1\n2"
