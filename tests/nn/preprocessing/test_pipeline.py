from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from babysit.errors import InputError
from babysit.nn.preprocessing import Preprocessing, fit_preprocessing

IMAGES = np.random.default_rng(0).integers(0, 256, (80, 3, 4, 4), dtype=np.uint8)
SPECS = ["none", "mean-image,scale", "channel-mean,channel-std", "center", "standardize", "pca:7", "scale,whiten:0.01"]


@pytest.mark.parametrize("spec", SPECS)
def test_structure_and_state_dict_restore_it(toy: Any, spec: str) -> None:
    fitted = fit_preprocessing(spec, toy(IMAGES))
    restored = Preprocessing.from_json(json.loads(json.dumps(fitted.to_json())))
    restored.load_state_dict(fitted.state_dict(), strict=True)
    x = torch.from_numpy(IMAGES)
    assert torch.equal(restored(x), fitted(x))
    assert restored.describe() == fitted.describe()
    assert restored.output_shape == tuple(fitted(x).shape[1:])


@pytest.mark.parametrize("spec", SPECS[1:])
def test_unfitted_gives_nan_not_wrong_numbers(spec: str) -> None:
    assert Preprocessing(spec, (3, 4, 4))(torch.from_numpy(IMAGES)).isnan().all()


def test_none() -> None:
    unchanged = Preprocessing("none", (3, 4, 4))
    assert unchanged.describe() == "use the inputs as they are"
    assert len(unchanged.steps) == 0
    assert unchanged.state_dict() == {}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16, torch.float32, torch.float64])
def test_any_dtype_in_float32_out(toy: Any, dtype: torch.dtype) -> None:
    fitted = fit_preprocessing("mean-image,scale", toy(IMAGES))
    x = torch.from_numpy(IMAGES)
    found = fitted(x.to(dtype))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, fitted(x))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_modules_dtype_decides(toy: Any, dtype: torch.dtype) -> None:
    fitted = fit_preprocessing("mean-image,pca:3", toy(IMAGES)).to(dtype)
    assert fitted(torch.from_numpy(IMAGES)).dtype == dtype


def test_nothing_is_trainable(toy: Any) -> None:
    assert list(fit_preprocessing("standardize,whiten", toy(IMAGES)).parameters()) == []


@pytest.mark.parametrize("shape", [(5, 3, 5, 4), (5, 48)])
def test_other_shapes_are_refused(toy: Any, shape: tuple[int, ...]) -> None:
    fitted = fit_preprocessing("mean-image", toy(IMAGES))
    with pytest.raises(InputError, match="expected examples of shape 3×4×4 as in the training set"):
        fitted(torch.zeros(shape))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"spec": "none", "input_shape": 3, "columns": None},
        {"spec": "none", "input_shape": ["wide"], "columns": None},
        {"spec": "none", "input_shape": [2], "columns": [["numeric"]]},
    ],
)
def test_damaged_descriptions(data: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected an object with spec"):
        Preprocessing.from_json(data)
