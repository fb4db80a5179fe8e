"""`babysit train`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from babysit.cli._options import JsonReport, Quiet
from babysit.cli._output import console, prepared_json, print_json
from babysit.cli._resuming import refuse_options
from babysit.errors import InputError, Interrupted

if TYPE_CHECKING:
    from babysit.cli._display import RichDisplay
    from babysit.recipe.options import TrainOptions
    from babysit.recipe.procedure import TrainResult


def train(
    context: typer.Context,
    data: Annotated[
        str | None,
        typer.Argument(help="digits, iris, … or a .npz, .csv, .parquet, .zip or folder.", show_default=False),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Target column of a table.", show_default=False)] = None,
    task: Annotated[
        str | None, typer.Option(help="classification or regression; guessed by default.", show_default=False)
    ] = None,
    image_size: Annotated[
        str | None, typer.Option(help="Resize images to HxW, such as 32x32.", show_default=False)
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out images that cannot be read.")] = False,
    preprocess: Annotated[
        str | None,
        typer.Option(
            help="Steps such as mean-image,scale; channel-mean; standardize; pca:50; whiten; none.", show_default=False
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="mlp, cnn, file.py:build or module:build.", show_default=False)
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(help="Units of the hidden layers, such as 50 or 256,128.", show_default=False)
    ] = None,
    channels: Annotated[
        str | None, typer.Option(help="Maps of the convolutional blocks, such as 32,64.", show_default=False)
    ] = None,
    activation: Annotated[
        str | None,
        typer.Option(help="relu, leaky_relu, prelu, elu, maxout, tanh, sigmoid, gelu, silu.", show_default=False),
    ] = None,
    batch_norm: Annotated[
        bool | None, typer.Option("--batch-norm/--no-batch-norm", help="Normalise each batch.", show_default=False)
    ] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of units dropped.", show_default=False)] = None,
    init: Annotated[
        str | None,
        typer.Option(help="he, xavier, glorot, normal:0.01, orthogonal, lsuv, sparse:15, zeros.", show_default=False),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="Of training images: none, flip, shift:2 or flip,shift:2; flip is tried by default.",
            show_default=False,
        ),
    ] = None,
    optimizer: Annotated[
        str, typer.Option(help="sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw.")
    ] = "momentum",
    schedule: Annotated[str, typer.Option(help="constant, step, exponential, 1/t, cosine, plateau.")] = "cosine",
    batch_size: Annotated[int | None, typer.Option(help="Examples a step.", show_default=False)] = None,
    epochs: Annotated[int | None, typer.Option(help="Of the full training.", show_default=False)] = None,
    search: Annotated[
        str | None,
        typer.Option(
            help="Searched beside lr and l2, such as hidden,dropout=0..0.5,activation=relu|elu.", show_default=False
        ),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="60s, 10m, 1h or 200trials.", show_default=False)] = None,
    ensemble: Annotated[int, typer.Option(help="Independent models to average.")] = 1,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="New run folder; runs/NAME-N by default.", show_default=False)
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with an interrupted run.", show_default=False)] = None,
    force: Annotated[bool, typer.Option("--force", help="Go on after a step that fails.")] = False,
    json_file: JsonReport = None,
    quiet: Quiet = False,
) -> None:
    """Take a data set through the whole procedure: check, search, train, test; write a run folder with report.html."""
    if (data is None) == (resume is None):
        raise InputError(
            "train",
            expected="a data set, or --resume with a run folder",
            found="neither" if data is None else "both",
            todo="try babysit train digits",
        )
    from babysit.cli._display import RichDisplay

    screen = console(quiet=quiet, json_file=json_file)
    display = RichDisplay(screen)
    if resume is not None:
        refuse_options(context, "a run", "train anew")
        _run(None, resume, display, prepared_json(json_file))
        return
    from babysit.recipe.folder import new_folder
    from babysit.recipe.options import TrainOptions

    assert data is not None
    options = TrainOptions(
        data=data,
        target=target,
        task=task,
        image_size=_size(image_size),
        skip_bad=skip_bad,
        preprocess=preprocess,
        model=model,
        hidden=_units("--hidden", hidden),
        channels=_units("--channels", channels),
        activation=activation,
        batch_norm=batch_norm,
        dropout=dropout,
        init=init,
        augment=augment,
        optimizer=optimizer,
        schedule=schedule,
        batch_size=batch_size,
        epochs=epochs,
        search=tuple(item.strip() for item in search.split(",")) if search else (),
        budget=budget,
        ensemble=ensemble,
        seed=seed,
        force=force,
    )
    with new_folder(out, _name_of(data)) as folder:
        _run(options, folder, display, prepared_json(json_file, folder))


def _run(options: TrainOptions | None, folder: Path, display: RichDisplay, json_file: str | None) -> None:
    from babysit.recipe import procedure
    from babysit.report.html import write_report
    from babysit.report.summary import parse_summary
    from babysit.rules._config import read_config

    config = read_config(Path.cwd())
    try:
        result: TrainResult = (
            procedure.resume(folder, display, config)
            if options is None
            else procedure.train(options, folder, display, config)
        )
    except Interrupted as stop:
        display.close()
        typer.echo(f"stopped; everything is saved. Go on with: babysit train --resume {folder}", err=True)
        raise typer.Exit(128 + stop.signal_number) from stop
    finally:
        display.close()
    page = write_report(result.folder)
    print_json(result.report, json_file)
    display.close_with(parse_summary(result.report), page)
    if not result.finished:
        raise typer.Exit(1)


def _name_of(data: str) -> str:
    """A folder name for a data set."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(data).name.split(".")[0]).strip("-.") or "data"


def _units(option: str, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InputError(
            option, expected="whole numbers such as 50 or 256,128", found=repr(text), todo="write it like that"
        ) from error


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)(?:[xX×](\d+))?", text)
    if not match:
        raise InputError(
            "--image-size", expected="height and width such as 32x32", found=repr(text), todo="write it like that"
        )
    return int(match[1]), int(match[2] or match[1])
