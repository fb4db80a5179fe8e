from __future__ import annotations

from babysit.data.text import columns_dropped, listed


def test_long_lists_are_cut() -> None:
    assert listed([str(i) for i in range(8)]) == "0, 1, 2, 3, 4, 5, 6, 7"
    assert listed([str(i) for i in range(10)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"


def test_columns_dropped_together() -> None:
    assert columns_dropped("constant", ["a", "b"]) == "dropped 2 constant columns: a, b"
