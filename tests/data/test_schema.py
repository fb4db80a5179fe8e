from __future__ import annotations

import json
from pathlib import Path

import pytest

from babysit.data.options import ReadOptions
from babysit.data.read import read
from babysit.data.schema import InputSchema
from babysit.errors import InputError


@pytest.mark.parametrize("name", ["digits", "iris", "diabetes"])
def test_survives_json(name: str) -> None:
    schema = read(name).schema()
    assert InputSchema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


def test_a_table_survives_json(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "".join(f"{i},{'xyz'[i % 3]},{i * 1.5}\n" for i in range(20)))
    schema = read(str(path), ReadOptions(target="y")).schema()
    assert schema.target == "y"
    assert schema.table is not None
    assert InputSchema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


@pytest.mark.parametrize(
    "change", [{"kind": None}, {"example_shape": 3}, {"dtype": "colour"}, {"table": {"columns": 1}}]
)
def test_a_damaged_one_is_refused(change: dict[str, object]) -> None:
    value = read("iris").schema().to_json() | change
    if change == {"kind": None}:
        del value["kind"]
    with pytest.raises(InputError, match=r"input schema: .* found a damaged one"):
        InputSchema.from_json(value)
