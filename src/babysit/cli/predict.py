"""`babysit predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from babysit.cli._options import Quiet, json_option
from babysit.cli._output import console, prepared_json, print_json
from babysit.errors import InputError


def predict(
    run: Annotated[Path, typer.Argument(help="A finished run folder of babysit train.", show_default=False)],
    data: Annotated[str, typer.Argument(help="New data, in a format that train reads.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="Write the predictions to this .csv or .json file.", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="file.py:build or module:build, for a run trained with it.", show_default=False)
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out images that cannot be read.")] = False,
    json_file: Annotated[str | None, json_option("the predictions")] = None,
    quiet: Quiet = False,
) -> None:
    """Apply a trained model to new data, its preprocessing included."""
    from babysit.data import ReadOptions
    from babysit.preflight.target import function_named
    from babysit.recipe.predicting import predict_with

    if out is not None and out.suffix not in (".csv", ".json"):
        raise InputError("--out", expected="a .csv or .json file", found=str(out), todo="change its ending")
    json_file = prepared_json(json_file)
    build = function_named(model) if model else None
    predictions = predict_with(run, data, ReadOptions(skip_bad=skip_bad), build)
    rows = list(predictions.rows())
    if out is not None:
        _write(out, rows)
    print_json({"schema": 1, "command": "predict", "score": predictions.score, "predictions": rows}, json_file)
    if quiet:
        return
    for note in predictions.notes:
        # beside the predictions, which somebody may be sending to a file
        typer.echo(f"note: {note}", err=True)
    if out is not None:
        score = "".join(f", {name} {value:.4f}" for name, value in predictions.score.items())
        console(json_file=json_file).print(f"{len(rows):,} predictions in {out}{score}", markup=False)
    elif json_file is None:
        typer.echo(_csv(rows), nl=False)


def _write(out: Path, rows: list[dict[str, Any]]) -> None:
    from babysit.storage import write_json, write_text

    if out.suffix == ".json":
        write_json(out, rows)
    else:
        write_text(out, _csv(rows))


def _csv(rows: list[dict[str, Any]]) -> str:
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["name", "prediction"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
