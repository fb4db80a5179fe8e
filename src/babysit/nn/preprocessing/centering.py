"""Subtracting the mean, dividing by the standard deviation: per pixel, channel or feature, or by one number."""

# ruff: noqa: D102 - the methods are documented on Step
from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from babysit.nn.preprocessing._moments import Moments, moments
from babysit.nn.preprocessing._step import Shape, Step, format_shape, require_image


class Center(Step):
    """Subtract the training mean of every feature."""

    name = "center"
    mean: Tensor

    def __init__(self, shape: Shape, value: float | None = None) -> None:
        super().__init__(shape, value)
        self.register_buffer("mean", self._unfitted(*shape))

    def _fit(self, chunks: Iterable[Tensor]) -> None:
        self.mean.copy_(_feature_moments(chunks).mean.view(self.input_shape))

    def forward(self, x: Tensor) -> Tensor:
        return x - self.mean

    def describe(self) -> str:
        return f"subtract the mean of each of {format_shape(self.input_shape)} features"


class MeanImage(Center):
    """Subtract the mean image of the training set, pixel by pixel, as AlexNet does."""

    name = "mean-image"

    def __init__(self, shape: Shape, value: float | None = None) -> None:
        require_image(self.name, shape, Center.name)
        super().__init__(shape, value)

    def describe(self) -> str:
        return f"subtract the mean image ({format_shape(self.input_shape)})"


class Standardize(Center):
    """Subtract the mean of every feature and divide by its standard deviation; a constant feature becomes 0."""

    name = "standardize"
    std: Tensor

    def __init__(self, shape: Shape, value: float | None = None) -> None:
        super().__init__(shape, value)
        self.register_buffer("std", self._unfitted(*shape))

    def _fit(self, chunks: Iterable[Tensor]) -> None:
        found = _feature_moments(chunks)
        self.mean.copy_(found.mean.view(self.input_shape))
        self.std.copy_(found.divisor.view(self.input_shape))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def describe(self) -> str:
        count = format_shape(self.input_shape)
        return f"subtract the mean of each of {count} features and divide by its standard deviation"


class ChannelMean(Step):
    """Subtract one mean per colour channel, as VGG does."""

    name = "channel-mean"
    mean: Tensor

    def __init__(self, shape: Shape, value: float | None = None) -> None:
        require_image(self.name, shape, Center.name)
        super().__init__(shape, value)
        self.register_buffer("mean", self._unfitted(shape[0], 1, 1))

    def _fit(self, chunks: Iterable[Tensor]) -> None:
        self.mean.copy_(_channel_moments(chunks).mean.view_as(self.mean))

    def forward(self, x: Tensor) -> Tensor:
        return x - self.mean

    def describe(self) -> str:
        return f"subtract the channel means ({_numbers(self.mean)})"


class ChannelStd(Step):
    """Divide by one standard deviation per colour channel."""

    name = "channel-std"
    std: Tensor

    def __init__(self, shape: Shape, value: float | None = None) -> None:
        require_image(self.name, shape, Standardize.name)
        super().__init__(shape, value)
        self.register_buffer("std", self._unfitted(shape[0], 1, 1))

    def _fit(self, chunks: Iterable[Tensor]) -> None:
        self.std.copy_(_channel_moments(chunks).divisor.view_as(self.std))

    def forward(self, x: Tensor) -> Tensor:
        return x / self.std

    def describe(self) -> str:
        return f"divide by the channel standard deviations ({_numbers(self.std)})"


class Scale(Step):
    """Divide everything by one number: the standard deviation of all training values after the steps before."""

    name = "scale"
    std: Tensor

    def __init__(self, shape: Shape, value: float | None = None) -> None:
        super().__init__(shape, value)
        self.register_buffer("std", self._unfitted())

    def _fit(self, chunks: Iterable[Tensor]) -> None:
        self.std.copy_(moments(chunk.reshape(-1, 1) for chunk in chunks).divisor[0])

    def forward(self, x: Tensor) -> Tensor:
        return x / self.std

    def describe(self) -> str:
        return f"divide by {_numbers(self.std)}"


def _feature_moments(chunks: Iterable[Tensor]) -> Moments:
    return moments(chunk.flatten(1) for chunk in chunks)


def _channel_moments(chunks: Iterable[Tensor]) -> Moments:
    return moments(chunk.movedim(1, -1).flatten(0, -2) for chunk in chunks)


def _numbers(values: Tensor) -> str:
    return ", ".join(f"{value:.3g}" for value in values.flatten().tolist())
