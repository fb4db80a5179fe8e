"""`babysit search`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from babysit.cli._options import JsonReport, Quiet
from babysit.cli._output import console, prepared_json, print_json
from babysit.cli._resuming import refuse_options
from babysit.errors import InputError, Interrupted, RunFolderError

if TYPE_CHECKING:
    from babysit.recipe.prepared import Prepared


def search(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET",
            help="FILE.py:FUNCTION or MODULE:FUNCTION: builds a model from a dict of hyperparameters; or, without "
            "--data, a training loop that is given a trial and reports to it.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="digits, iris, … or a .npz, .csv, .parquet, .zip or folder; or FILE.py:FUNCTION that returns (x, y), "
            "a loader, or (training, validation) of these.",
            show_default=False,
        ),
    ] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=RANGE",
            help="What is searched, once for each: lr=log:1e-5..1e-1, dropout=0..0.5, width=32|64; or a .toml file.",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="In all rounds together.")] = 64,
    epochs: Annotated[float, typer.Option(help="Of the longest trials.")] = 10,
    budget: Annotated[
        str | None,
        typer.Option(help="In all: 10m, 500epochs, or both with a comma between.", show_default=False),
    ] = None,
    target_column: Annotated[
        str | None, typer.Option("--target", help="Target column of a table.", show_default=False)
    ] = None,
    preprocess: Annotated[
        str | None, typer.Option(help="Steps such as mean-image,scale; as for babysit train.", show_default=False)
    ] = None,
    optimizer: Annotated[
        str, typer.Option(help="sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw.")
    ] = "momentum",
    lr: Annotated[float, typer.Option(help="Of trials whose space does not name it, as the four below.")] = 0.01,
    l2: Annotated[float, typer.Option(help="Strength of the L2 regularisation.")] = 0.0,
    momentum: Annotated[float, typer.Option(help="Of the update rules that have one.")] = 0.9,
    schedule: Annotated[str, typer.Option(help="constant, step, exponential, 1/t, cosine.")] = "cosine",
    batch_size: Annotated[int, typer.Option(help="Examples a step.")] = 128,
    minimize: Annotated[bool, typer.Option("--minimize", help="A smaller value of a loop's report is better.")] = False,
    sampler: Annotated[str, typer.Option(help="random, sobol, tpe, grid.")] = "random",
    moves: Annotated[int, typer.Option(help="How often ranges may move past an edge the best trials sit at.")] = 3,
    engine: Annotated[str, typer.Option(help="auto measures which is the fastest; or single, stacked, vmap.")] = "auto",
    workers: Annotated[
        int | None, typer.Option(help="Processes; one for each idle core by default.", show_default=False)
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(help="Train on a Ray cluster: auto, HOST:PORT; local starts one here.", show_default=False),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="URL of an Optuna storage; a SQLite file in the run folder by default.", show_default=False),
    ] = None,
    name: Annotated[str, typer.Option(help="Of the study in the storage.")] = "search",
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="New run folder; runs/NAME-N by default.", show_default=False)
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with a search, or join one that is going on.", show_default=False)
    ] = None,
    json_file: JsonReport = None,
    quiet: Quiet = False,
) -> None:
    """Search hyperparameters, coarse to fine, many trials at a time; write a run folder with report.html."""
    if (target is None) == (resume is None):
        raise InputError(
            "search",
            expected="FILE.py:FUNCTION, or --resume with a run folder",
            found="neither" if target is None else "both",
            todo="try babysit search model.py:build --data digits --space lr=log:1e-5..1e-1",
        )
    if resume is not None:
        refuse_options(context, "a search", "search anew")
        _run(_options_of(resume), resume, prepared_json(json_file), quiet=quiet, again=True)
        return
    assert target is not None
    options = _Options(
        target=target,
        data=data,
        space=tuple(space or ()),
        trials=trials,
        epochs=epochs,
        budget=budget,
        target_column=target_column,
        preprocess=preprocess,
        optimizer=optimizer,
        lr=lr,
        l2=l2,
        momentum=momentum,
        schedule=schedule,
        batch_size=batch_size,
        minimize=minimize,
        sampler=sampler,
        moves=moves,
        engine=engine,
        workers=workers,
        ray=ray,
        storage=storage,
        name=name,
        seed=seed,
    )
    _refuse_without_effect(options)
    from babysit.recipe.folder import new_folder

    with new_folder(out, _name_of(target)) as folder:
        _run(options, folder, prepared_json(json_file, folder), quiet=quiet, again=False)


@dataclass(frozen=True)
class _Options:
    """What was asked for, kept with the run to go on with it."""

    target: str
    data: str | None
    space: tuple[str, ...]
    trials: int
    epochs: float
    budget: str | None
    target_column: str | None
    preprocess: str | None
    optimizer: str
    lr: float
    l2: float
    momentum: float
    schedule: str
    batch_size: int
    minimize: bool
    sampler: str
    moves: int
    engine: str
    workers: int | None
    ray: str | None
    storage: str | None
    name: str
    seed: int
    in_memory: bool | None = None
    """Whether the preprocessed examples are held there; decided when the search begins, whoever goes on with it."""

    def for_search(self) -> dict[str, Any]:
        """Those that `bs.search` takes as they are."""
        others = ("target", "data", "space", "target_column", "preprocess", "minimize", "in_memory")
        return {name: value for name, value in vars(self).items() if name not in others}


def _run(options: _Options, folder: Path, json_file: str | None, *, quiet: bool, again: bool) -> None:
    import babysit as bs
    from babysit.cli._search_display import SearchDisplay
    from babysit.measure.record import read_runs
    from babysit.preflight.target import function_named
    from babysit.report.document import document_of
    from babysit.report.html import write_page
    from babysit.report.summary import read_summary

    screen = console(quiet=quiet, json_file=json_file)
    display = SearchDisplay(screen)
    function = function_named(options.target)
    given, options = _given(options, function, again=again)
    try:
        found = bs.search(
            **given,
            space=_space(options.space, of_loop=options.data is None),
            maximize=not options.minimize,
            out=folder,
            resume=again,
            options={key: value for key, value in dataclasses.asdict(options).items() if value not in (None, ())},
            display=display,
            **options.for_search(),
        )
    except Interrupted as stop:
        display.close()
        typer.echo(f"stopped; everything is saved. Go on with: babysit search --resume {folder}", err=True)
        raise typer.Exit(128 + stop.signal_number) from stop
    finally:
        display.close()
    records = read_runs(folder)
    summary = read_summary(folder, records)  # judged once for both
    page = write_page(folder, records, summary)
    print_json(document_of(folder, summary), json_file)
    display.close_with(found, page)


def _given(options: _Options, function: Callable[..., Any], *, again: bool) -> tuple[dict[str, Any], _Options]:
    """The first arguments of `bs.search`: a model's builder and data, or a loop alone; and what is kept of the options.

    What was decided when the search began stays decided, so that whoever goes on with it trains on the same.
    """
    if options.data is None:
        return {"build": function}, options
    from babysit.cli._search_data import data_of
    from babysit.preflight.target import is_function

    if is_function(options.data):
        return {"build": function, **data_of(options.data)}, options
    from torch import nn

    prepared = _prepared(options)

    @functools.wraps(function)  # who looks at what it takes sees the user's own
    def build(hp: dict[str, Any]) -> Any:
        model = function(hp)
        return prepared.around(model) if isinstance(model, nn.Module) else model

    given = {"build": build, "data": prepared.train, "validation": prepared.validation}
    return given, options if again else dataclasses.replace(options, in_memory=prepared.in_memory)


def _prepared(options: _Options) -> Prepared:
    from babysit.data import ReadOptions, read
    from babysit.nn import default_spec
    from babysit.recipe.prepared import prepare

    assert options.data is not None
    dataset = read(options.data, ReadOptions(target=options.target_column, seed=options.seed))
    spec = options.preprocess or default_spec(dataset.kind, "cnn" if dataset.kind == "image" else "mlp")
    return prepare(dataset, spec, lambda fits: fits if options.in_memory is None else options.in_memory)


def _refuse_without_effect(options: _Options) -> None:
    """What would be passed over in silence.

    Raises:
        InputError: An option that this search does not look at.
    """
    from babysit.preflight.target import is_function

    if options.minimize and options.data is not None:
        raise InputError(
            "--minimize",
            expected="a training loop of your own, as models are judged by accuracy or R², of which more is better",
            found=f"--data {options.data}",
            todo="leave it out",
        )
    if options.data is None or is_function(options.data):
        for name, value in (("--target", options.target_column), ("--preprocess", options.preprocess)):
            if value is not None:
                raise InputError(
                    name,
                    expected="--data with a data set or a file",
                    found=options.data or "no --data",
                    todo="leave it out",
                )


def _space(items: tuple[str, ...], *, of_loop: bool) -> Any:
    from babysit.search.space_text import parse_space, read_space

    if not items:
        raise InputError(
            "--space",
            expected="what is to be searched",
            found="nothing",
            todo="name it, such as --space lr=log:1e-5..1e-1",
        )
    if len(items) == 1 and items[0].endswith(".toml"):
        return read_space(Path(items[0]), of_loop=of_loop)
    return parse_space(items, of_loop=of_loop)


def _name_of(target: str) -> str:
    """A folder name for a function."""
    home = target.rpartition(":")[0]
    return Path(home).stem.rpartition(".")[2] or "search"


def _options_of(folder: Path) -> _Options:
    """What a search was begun with.

    Raises:
        RunFolderError: It was not begun by this command.
    """
    from babysit.measure.record import read_header

    kept = read_header(folder).settings.get("options")
    names = [field.name for field in dataclasses.fields(_Options)]
    if not isinstance(kept, Mapping) or "target" not in kept or not set(kept) <= set(names):
        raise RunFolderError(
            str(folder),
            expected="a run of babysit search",
            found="one of something else",
            todo="name a folder that babysit search wrote",
        )
    known: dict[str, Any] = {**dict.fromkeys(names), **kept}
    return _Options(**{**known, "space": tuple(known["space"] or ())})
