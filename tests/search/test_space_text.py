from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.errors import InputError
from babysit.search.optuna_space import from_optuna, from_scalar, to_optuna, to_scalar
from babysit.search.space import Choice, Distribution, IntUniform, LogIntUniform, LogUniform, Space, Uniform, When
from babysit.search.space_text import parse_space, read_space, require_known


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr=log:1e-5..1e-1", LogUniform(1e-5, 1e-1, 1e-12, float("inf"))),
        ("x=-1..-.5", Uniform(-1, -0.5)),
        ("dropout=0..0.5", Uniform(0, 0.5, 0.0, 0.95)),
        ("depth = int:1..4", IntUniform(1, 4, 1, float("inf"))),
        ("width=logint:16..512", LogIntUniform(16, 512, 1, float("inf"))),
        ("p=0.2..0.4 in 0.1..1", Uniform(0.2, 0.4, 0.1, 1)),
        ("hidden=50|256-128", Choice(50, (256, 128))),
        ("bn=true|False", Choice(True, False)),
        ("l2=1e-4", Choice(1e-4)),
        ("schedule=1/t|cosine", Choice("1/t", "cosine")),
    ],
)
def test_texts_mean_what_the_table_says(text: str, expected: Distribution) -> None:
    ((name, found),) = parse_space([text]).items()
    assert name == text.partition("=")[0].strip()
    assert found == expected


def test_conditions_from_texts_and_from_toml_are_the_same(tmp_path: Path) -> None:
    space = parse_space(["optimizer=sgd|momentum", "momentum=0.5..0.9 if optimizer=momentum", "lr=log:1e-5..1e-1"])
    assert space["momentum"] == When("optimizer", ["momentum"], Uniform(0.5, 0.9, 0.0, 0.999))
    file = tmp_path / "space.toml"
    file.write_text(
        '[space]\nmomentum = { of = "0.5..0.9", if = "optimizer=momentum" }\n'
        'optimizer = ["sgd", "momentum"]\nlr = "log:1e-5..1e-1"\n'
    )
    assert dict(read_space(file)) == dict(space)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lr=log:0..1", "lr=log:0..1: expected a range above zero"),
        ("lr=log:-1..1", "above zero"),
        ("lr=3..1", "the smaller first, found 3 to 1"),
        ("lr=lg:1..2", "did you mean 'log'?"),
        ("lr=", "add what is missing"),
        ("lr", "add what is missing"),
        ("lr=0.5..a", "two numbers, low..high, found 'a'"),
        ("a=1||2", "both sides of every |"),
        ("a=1..2|3", "both sides of every |"),
        ("optimizer=sgd|adm", "did you mean 'adam' or 'adamw'?"),
        ("schedule=plateau", "schedule one of constant"),
        ("width=int:1.5..3", "whole numbers"),
        ("m=0..1 if optimizer", "a condition such as"),
        ("m=0..1 if opt=sgd", "add it to the space"),
        ("p=0..1 in 0.5..1", "a range inside 0.5 to 1"),
        ("dropout=-1..0.5", "dropout=-1..0.5: expected numbers from 0 to 0.95, found -1 to 0.5"),
        ("batch_size=8..16", "batch_size=8..16: expected whole numbers of at least 1, found all numbers from 8 to 16"),
        ("batch_size=8|large", "expected whole numbers of at least 1, found 'large'"),
        ("lr=foo|bar", "lr=foo|bar: expected numbers of at least 1e-12, found 'foo'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_space([text])
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_in_a_loop_of_ones_own_names_may_mean_anything(tmp_path: Path) -> None:
    texts = ["lr=-5..-1", "batch_size=8..16", "momentum=a|b", "dropout=0..0.5"]
    space = parse_space(texts, of_loop=True)
    assert dict(space) == {
        "lr": Uniform(-5, -1),
        "batch_size": Uniform(8, 16, 0),
        "momentum": Choice("a", "b"),
        "dropout": Uniform(0, 0.5, 0, 0.95),
    }
    pairs = [text.partition("=") for text in texts]
    (tmp_path / "space.toml").write_text("\n".join(f'{name} = "{values}"' for name, _, values in pairs))
    assert dict(read_space(tmp_path / "space.toml", of_loop=True)) == dict(space)


def test_a_name_comes_once() -> None:
    with pytest.raises(InputError, match="every name once, found lr again"):
        parse_space(["lr=1..2", "lr=1..3"])


@given(st.text(max_size=25))
def test_no_text_breaks_the_reading(text: str) -> None:
    with contextlib.suppress(InputError):
        parse_space([text])


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('# first\n[space]\nlr = "log:1e-1..1e-5"', "line 3: expected two finite numbers"),
        ('[other]\nlr = 1\n[space]\na = 1\nlr = "log:-1..1"', "line 5: expected a range above zero"),
        ("[space]\nlr = \n", "expected TOML, found Invalid value (at line 2"),
        ("[space]\na = []", "line 2: expected at least one value"),
        ("", "hyperparameters in a table [space], found none"),
        ('lr = "1..2"\nm = "0..1 if optimizer=sgd"', "line 2: expected a condition on another hyperparameter"),
        ('[space]\nm = { of = "0..1" }', "line 2: expected m = { of ="),
        ('[space.m]\nof = "0..1"\nif = "o=2"\n[space]\no = 1', "line 1: expected a condition on values"),
        ('[space]\noptimizer = ["sgd", "rmspop"]', "line 2: expected optimizer one of"),
        ('[space]\na = 1\nlr = ["foo", 1]', "line 3: expected numbers of at least 1e-12, found 'foo'"),
        ('[space]\nbatch_size = "8..16"', "line 2: expected whole numbers of at least 1"),
        ("[space]\nlr = 0", "line 2: expected numbers of at least 1e-12, found 0"),
    ],
)
def test_an_error_in_a_file_names_the_line(tmp_path: Path, toml: str, says: str) -> None:
    file = tmp_path / "space.toml"
    file.write_text(toml)
    with pytest.raises(InputError) as refused:
        read_space(file)
    assert str(refused.value).startswith(str(file))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file or directory; name another file"):
        read_space(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="bytes that are no UTF-8"):
        read_space(tmp_path / "bytes.toml")


def test_names_in_a_space_from_python_are_looked_at_too() -> None:
    require_known(Space({"optimizer": Choice("sgd"), "mine": Choice("sdg")}))
    with pytest.raises(InputError, match="did you mean 'sgd'"):
        require_known(Space({"optimizer": Choice("sdg")}))


distributions = st.one_of(
    st.builds(lambda a, b: Uniform(min(a, b), max(a, b)), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)),
    st.builds(lambda a, b: LogUniform(min(a, b), max(a, b)), st.floats(1e-9, 1e6), st.floats(1e-9, 1e6)),
    st.builds(lambda a, b: IntUniform(a, a + b), st.integers(-1000, 1000), st.integers(0, 1000)),
    st.builds(lambda a, b: LogIntUniform(a, a + b), st.integers(1, 1000), st.integers(0, 1000)),
    st.lists(st.sampled_from(["relu", 3, 0.5, False, None, (50,), (256, 128)]), min_size=1, unique=True).map(
        lambda values: Choice(*values)
    ),
)


@given(st.dictionaries(st.sampled_from("abcd"), distributions, min_size=1))
def test_to_optuna_and_back_is_the_same_space(known: dict[str, Distribution]) -> None:
    assert dict(from_optuna(to_optuna(Space(known)))) == known


@given(distributions, st.floats(0, 1, exclude_max=True))
def test_every_value_is_one_of_optuna_s_distribution_and_comes_back(known: Distribution, quantile: float) -> None:
    value = known.at(quantile)
    theirs = to_optuna({"a": known})["a"]
    assert theirs._contains(theirs.to_internal_repr(to_scalar(value)))
    assert from_scalar(to_scalar(value)) == value


def test_steps_have_no_counterpart() -> None:
    from optuna.distributions import FloatDistribution

    with pytest.raises(InputError, match="a range without steps"):
        from_optuna({"lr": FloatDistribution(0.0, 1.0, step=0.25)})
