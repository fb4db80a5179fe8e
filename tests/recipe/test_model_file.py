from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import babysit as bs
from babysit.data import InputSchema
from babysit.errors import BabysitError, InputError, RunFolderError
from babysit.nn import Preprocessing, WithPreprocessing
from babysit.recipe import prepared
from babysit.recipe.model_file import load, read_description, save_model

SCHEMA = InputSchema("features", "classification", (4,), "float32", ("a", "b", "c"), ("w", "x", "y", "z"), None, None)


def raw_inputs(run: Any, split: str = "test") -> Tensor:
    return torch.from_numpy(np.array(run.dataset.inputs(split)))


@pytest.fixture
def copied(digits_run: Any, tmp_path: Path) -> Path:
    """The files of a finished model, to be damaged."""
    for name in ("model.json", "model.safetensors"):
        shutil.copy(digits_run.folder / name, tmp_path / name)
    return tmp_path


def test_what_is_loaded_gives_what_was_trained_on_raw_inputs(any_run: Any) -> None:
    inputs = raw_inputs(any_run)
    loaded = load(any_run.folder)
    with torch.no_grad():
        assert torch.equal(loaded(inputs), any_run.model(inputs))
    assert not loaded.training


def test_the_loaded_model_has_the_score_that_was_reported(any_run: Any) -> None:
    with torch.no_grad():
        outputs = load(any_run.folder)(raw_inputs(any_run))
    truth = any_run.dataset.targets("test")
    if any_run.dataset.task == "classification":
        score = float(np.mean(outputs.argmax(dim=1).numpy() == truth))
    else:
        values = outputs.squeeze(1).double().numpy()
        score = 1 - np.mean((values - truth) ** 2) / np.var(truth)
        assert any_run.report["test"]["rmse"] == pytest.approx(np.sqrt(np.mean((values - truth) ** 2)), rel=1e-4)
    assert any_run.report["test"]["score"] == pytest.approx(score, rel=1e-5)


def test_a_model_that_was_trained_batch_by_batch_is_the_same(
    monkeypatch: pytest.MonkeyPatch, train: Callable[..., Any]
) -> None:
    monkeypatch.setattr(prepared, "MEMORY_SHARE", 0.0)
    run = train("iris")
    with torch.no_grad():
        assert torch.equal(load(run.folder)(raw_inputs(run)), run.model(raw_inputs(run)))


def test_it_is_a_public_name(digits_run: Any) -> None:
    assert bs.load is load
    with torch.no_grad():
        assert bs.load(str(digits_run.folder))(raw_inputs(digits_run)).shape == (270, 10)


def test_the_file_holds_the_preprocessing_and_nothing_but_tensors(digits_run: Any) -> None:
    assert set(load_file(digits_run.folder / "model.safetensors")) == set(digits_run.model.state_dict())
    description = json.loads((digits_run.folder / "model.json").read_text())
    assert description["schema"] == 1
    assert description["preprocessing"]["spec"] == "mean-image,scale"
    assert description["input"]["class_names"] == [str(digit) for digit in range(10)]


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(
            RunFolderError, match=r"expected a finished run of babysit train, with model\.json, found none"
        ):
            load(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"schema": "new"}', '{"no": "schema"}', "\xff"])
def test_a_description_that_is_none_is_refused(copied: Path, content: str) -> None:
    (copied / "model.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(RunFolderError, match="found a damaged one"):
        load(copied)


def test_a_newer_format_is_refused(copied: Path) -> None:
    description = json.loads((copied / "model.json").read_text())
    (copied / "model.json").write_text(json.dumps({**description, "schema": 2}))
    with pytest.raises(RunFolderError, match="expected a model of format 1, found format 2; update babysit"):
        load(copied)
    with pytest.raises(RunFolderError, match="update babysit"):
        read_description(copied)


@pytest.mark.parametrize("key", ["model", "preprocessing", "targets"])
@pytest.mark.parametrize("damage", ["missing", "text", "list", "number"])
def test_a_description_with_a_part_damaged_is_refused_in_one_line(copied: Path, key: str, damage: str) -> None:
    description = json.loads((copied / "model.json").read_text())
    if damage == "missing":
        del description[key]
    else:
        description[key] = {"text": "what", "list": [1, 2], "number": 3}[damage]
    (copied / "model.json").write_text(json.dumps(description))
    with pytest.raises(BabysitError) as refused:
        load(copied)
    assert "\n" not in str(refused.value)


def test_weights_that_are_gone_or_cut_short_are_refused(copied: Path) -> None:
    path = copied / "model.safetensors"
    whole = path.read_bytes()
    for kept in [*range(40), len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:kept])
        with pytest.raises(RunFolderError, match=r"expected the weights that belong to model\.json"):
            load(copied)
    path.unlink()
    with pytest.raises(RunFolderError, match="found FileNotFoundError"):
        load(copied)


def test_weights_of_another_model_are_refused(copied: Path) -> None:
    description = json.loads((copied / "model.json").read_text())
    description["model"]["hidden"] = [3]
    (copied / "model.json").write_text(json.dumps(description))
    with pytest.raises(RunFolderError) as refused:
        load(copied)
    assert "size mismatch" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_header_that_lies_about_its_length_is_refused(copied: Path) -> None:
    path = copied / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + path.read_bytes()[8:])
    with pytest.raises(RunFolderError):
        load(copied)


def save(folder: Path, network: nn.Module, architecture: dict[str, Any]) -> WithPreprocessing:
    whole = WithPreprocessing(Preprocessing("none", (4,)), network)
    whole.eval()
    save_model(folder, whole, architecture, SCHEMA)
    return whole


def test_a_network_of_one_s_own_is_built_by_one_s_own_function(tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = []

    def build(input_shape: tuple[int, ...], outputs: int, hidden: tuple[int, ...]) -> nn.Module:
        calls.append({"input_shape": input_shape, "outputs": outputs, "hidden": hidden})
        (units,) = hidden
        return nn.Sequential(nn.Linear(input_shape[0], units), nn.BatchNorm1d(units), nn.Linear(units, outputs))

    description = {
        "kind": "file",
        "target": "net.py:build",
        "input_shape": [4],
        "outputs": 3,
        "params": {"hidden": [5], "lr": 0.1},
    }
    saved = save(tmp_path, build((4,), 3, (5,)), description)
    with pytest.raises(InputError, match=r"expected the function that built it, net\.py:build, found none"):
        load(tmp_path)
    inputs = torch.randn(6, 4)
    assert torch.equal(load(tmp_path, build)(inputs), saved(inputs))
    assert calls[-1] == {"input_shape": (4,), "outputs": 3, "hidden": (5,)}
    with pytest.raises(InputError, match=r"net\.py:build: expected a function that returns an nn\.Module"):
        load(tmp_path, lambda: "no module")  # type: ignore[arg-type, return-value]


def test_tied_weights_are_saved_and_tied_again(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encode, self.decode = nn.Linear(4, 4), nn.Linear(4, 4)
            self.decode.weight = self.encode.weight
            self.output = nn.Linear(4, 3)

        def forward(self, inputs: Tensor) -> Tensor:
            outputs: Tensor = self.output(self.decode(self.encode(inputs)))
            return outputs

    description = {"kind": "file", "target": "net.py:Tied", "input_shape": [4], "outputs": 3, "params": {}}
    saved = save(tmp_path, Tied(), description)
    loaded = load(tmp_path, Tied)
    assert torch.equal(loaded(torch.ones(1, 4)), saved(torch.ones(1, 4)))
    assert isinstance(loaded.network, Tied)
    assert loaded.network.encode.weight is loaded.network.decode.weight
