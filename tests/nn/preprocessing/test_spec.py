from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babysit.errors import InputError
from babysit.nn.preprocessing import Preprocessing, default_spec, parse


def names(spec: str) -> list[tuple[str, float | None]]:
    return [(found.step.name, found.value) for found in parse(spec)]


def test_order_numbers_and_spaces() -> None:
    assert names(" mean-image , scale") == [("mean-image", None), ("scale", None)]
    assert names("center,pca:50") == [("center", None), ("pca", 50.0)]
    assert names("whiten") == [("whiten", 1e-5)]
    assert names("whiten:0.01") == [("whiten", 0.01)]
    assert names("none") == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mean-imag", "did you mean 'mean-image'"),
        ("", "choose one of these names"),
        ("center,,scale", "found ''"),
        ("none,scale", "write none alone"),
        ("pca", "write pca:K"),
        ("pca:", "write pca:K"),
        ("pca:ten", "write pca:K"),
        ("pca:-3", "write pca:K"),
        ("whiten:0", "write whiten:EPS"),
        ("whiten:", "write whiten:EPS"),
        ("whiten:inf", "write whiten:EPS"),
        ("scale:2", "write 'scale' alone"),
        ("tabular", "expected steps among none, mean-image"),
    ],
)
def test_bad_specifications(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(spec)


@given(st.text(max_size=30))
def test_any_text_parses_or_is_refused(spec: str) -> None:
    try:
        parsed = parse(spec)
    except InputError:
        return
    assert len(parsed) == (0 if spec.strip() == "none" else spec.count(",") + 1)


@pytest.mark.parametrize(
    ("kind", "model", "spec"),
    [
        ("image", "mlp", "mean-image,scale"),
        ("image", "cnn", "channel-mean,scale"),
        ("features", "mlp", "standardize"),
        ("table", "mlp", "standardize"),
    ],
)
def test_defaults_suit_their_data(kind: str, model: str, spec: str) -> None:
    assert default_spec(kind, model) == spec
    shape = (3, 4, 4) if kind == "image" else (5,)
    assert Preprocessing(spec, shape).output_shape == shape


def test_no_convolutions_on_tables() -> None:
    with pytest.raises(InputError, match="found cnn for table"):
        default_spec("table", "cnn")
