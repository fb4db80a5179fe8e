"""What `babysit train` is asked to do, as one value that is saved with the run and used again to resume it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from babysit.data.augment import parse_augment
from babysit.errors import InputError
from babysit.fit.optimizers import OPTIMIZERS, WITHOUT_MOMENTUM
from babysit.fit.settings import TrainSettings
from babysit.nn import CNNConfig
from babysit.nn.preprocessing import parse
from babysit.recipe.budget import parse_budget
from babysit.recipe.search_space import parse_search

NETWORK = ("hidden", "channels", "activation", "batch_norm", "dropout", "init")
"""Options that are hyperparameters of the network."""
_LARGEST = 2**32


@dataclass(frozen=True)
class TrainOptions:
    """The options of `babysit train`; ``None`` leaves the choice to the data.

    Attributes:
        data: A data set's name or path.
        target: Target column of a table.
        task: ``"classification"`` or ``"regression"``.
        image_size: Height and width images are resized to.
        skip_bad: Leave out images that cannot be read.
        preprocess: Such as ``"mean-image,scale"``.
        model: ``"mlp"``, ``"cnn"``, ``"file.py:build"`` or ``"module:build"``.
        hidden: Units of each hidden layer.
        channels: Maps of each convolutional block.
        activation: Of the hidden layers.
        batch_norm: Normalise before the activation.
        dropout: Share of units dropped in training.
        init: Initialisation scheme.
        augment: What is done to training images, such as ``"flip,shift:2"``.
        optimizer: Update rule.
        schedule: Decay of the learning rate.
        batch_size: Examples a step.
        epochs: Of the full training.
        search: What is searched beside the learning rate and L2, such as ``("hidden", "dropout=0..0.5")``.
        budget: ``"60s"``, ``"10m"``, ``"200trials"``.
        ensemble: Independent models to average at the end; 1 for none.
        seed: Of everything random.
        force: Go on after a step that fails.

    Raises:
        InputError: A value that no data could make sense of.
    """

    data: str
    target: str | None = None
    task: str | None = None
    image_size: tuple[int, int] | None = None
    skip_bad: bool = False
    preprocess: str | None = None
    model: str | None = None
    hidden: tuple[int, ...] | None = None
    channels: tuple[int, ...] | None = None
    activation: str | None = None
    batch_norm: bool | None = None
    dropout: float | None = None
    init: str | None = None
    augment: str | None = None
    optimizer: str = "momentum"
    schedule: str = "cosine"
    batch_size: int | None = None
    epochs: int | None = None
    search: tuple[str, ...] = ()
    budget: str | None = None
    ensemble: int = 1
    seed: int = 0
    force: bool = False

    def __post_init__(self) -> None:
        if self.model not in (None, "mlp", "cnn") and ":" not in str(self.model):
            raise InputError(
                "--model",
                expected="mlp, cnn, file.py:function or module:function",
                found=repr(self.model),
                todo="choose one of them",
            )
        # knows every option of both kinds of network; the image is large enough for any number of blocks
        CNNConfig((1, _LARGEST, _LARGEST), 1, **self.network())
        if self.preprocess is not None:
            parse(self.preprocess)
        parse_budget(self.budget)
        _require(self.optimizer in OPTIMIZERS, "--optimizer", f"one of {', '.join(OPTIMIZERS)}", self.optimizer)
        _refuse_momentum(self.optimizer, parse_search(self.search))
        parse_augment(self.augment or "none")
        TrainSettings(
            schedule=self.schedule,
            batch_size=1 if self.batch_size is None else self.batch_size,
            epochs=1 if self.epochs is None else self.epochs,
        )
        _require(self.ensemble >= 1, "--ensemble", "at least 1 model", self.ensemble)
        _require(self.seed >= 0, "--seed", "zero or more", self.seed)

    def network(self) -> dict[str, Any]:
        """What was asked of the network, by the names its configuration has for it."""
        return {name: value for name in NETWORK if (value := getattr(self, name)) is not None}

    def asked_of_network(self) -> dict[str, str]:
        """Each hyperparameter of the network that was set or is searched → the option, as a person writes it."""
        searched = {name: f"--search {name}" for name in parse_search(self.search) if name in NETWORK}
        return {**searched, **{name: f"--{name.replace('_', '-')}" for name in self.network()}}

    def to_json(self) -> dict[str, Any]:
        """The options as a JSON object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrainOptions:
        """The options that :meth:`to_json` wrote."""
        known = {field.name for field in dataclasses.fields(cls)}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name in known
        }
        return cls(**values)


def _require(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise InputError(name, expected=expected, found=repr(found), todo="choose another value")


def _refuse_momentum(optimizer: str, searched: Collection[str]) -> None:
    if "momentum" in searched and "optimizer" not in searched and optimizer in WITHOUT_MOMENTUM:
        raise InputError(
            "--search momentum",
            expected="an optimizer that has one",
            found=optimizer,
            todo="leave it out, or choose another --optimizer",
        )
