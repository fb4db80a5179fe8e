from __future__ import annotations

from babysit.errors import InputError, suggest, told


def test_near_names_ignore_case() -> None:
    assert suggest("PRICE", ["prices", "area"]) == "did you mean 'prices'?"
    assert suggest("zzz", ["prices", "area"], "name a column") == "name a column"


def test_at_most_three_near_names_are_offered() -> None:
    assert suggest("column", ["column1", "column2", "column3", "column4"]).count(" or ") == 2


def test_what_others_raise_is_told_in_one_line_that_ends() -> None:
    assert told(KeyError()) == "KeyError"
    assert told(ValueError("a\n  b")) == "ValueError: a b"
    assert told(ValueError("x" * 300), most=5) == "ValueError: xxxxx…"


def test_a_refusal_is_one_line_whatever_it_quotes() -> None:
    error = InputError("a\nfile", expected="one\nthing", found="an\tother", todo="mend it")
    assert str(error) == "a file: expected one thing, found an other; mend it"
