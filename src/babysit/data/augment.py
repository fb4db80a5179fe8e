"""Augmentation: every epoch sees each image a little differently, which regularises like more data.

What is done to a batch is a function of (seed, step), so that a training that goes on after a kill sees exactly the
images it would have seen.
"""

from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from babysit.data.batches import Batches
from babysit.errors import InputError

_AUGMENT_STREAM = 0xA06


class AugmentedBatches:
    """Batches whose images are mirrored or shifted at random.

    Args:
        batches: Of images ``(N, C, H, W)``, centred, as what is shifted in from outside is 0.
        flip: Mirror half of them left to right.
        shift: Move each by up to this many pixels in both directions.
        seed: Of what is done to which image.
    """

    def __init__(self, batches: Batches, *, flip: bool, shift: int, seed: int) -> None:
        self._batches = batches
        self._flip, self._shift, self._seed = flip, shift, seed
        self.steps_per_epoch = batches.steps_per_epoch
        self.batch_size = batches.batch_size

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the ``step``-th step."""
        inputs, targets = self._batches.batch(step)
        generator = np.random.default_rng([_AUGMENT_STREAM, self._seed, step])
        if self._flip:
            mirrored = torch.from_numpy(generator.random(len(inputs)) < 0.5).to(inputs.device)
            inputs = torch.where(mirrored[:, None, None, None], inputs.flip(-1), inputs)
        if self._shift:
            offsets = generator.integers(-self._shift, self._shift + 1, (2, len(inputs)))
            inputs = shifted(inputs, *torch.from_numpy(offsets).to(inputs.device))
        return inputs, targets


def shifted(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Each image moved by its own number of pixels, with zeros coming in.

    Args:
        images: ``(N, C, H, W)``.
        down: ``(N,)`` whole pixels, negative for up.
        right: ``(N,)`` whole pixels, negative for left.

    Example:
        >>> shifted(torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([0]), torch.tensor([1]))
        tensor([[[[0., 1.]]]])
    """
    _, _, height, width = images.shape
    margin = int(max(down.abs().max(), right.abs().max()))
    padded = F.pad(images, (margin, margin, margin, margin))
    rows = torch.arange(height, device=images.device) + margin - down[:, None]
    columns = torch.arange(width, device=images.device) + margin - right[:, None]
    numbers = torch.arange(len(images), device=images.device)
    taken = padded.permute(0, 2, 3, 1)[numbers[:, None, None], rows[:, :, None], columns[:, None, :]]
    return taken.permute(0, 3, 1, 2)


def augmented(batches: Batches, spec: str, seed: int) -> Batches:
    """Batches with the augmentation of a specification.

    Args:
        batches: Of images.
        spec: As :func:`parse_augment` reads it.
        seed: Of what is done to which image.
    """
    flip, shift = parse_augment(spec)
    return AugmentedBatches(batches, flip=flip, shift=shift, seed=seed) if flip or shift else batches


def parse_augment(spec: str) -> tuple[bool, int]:
    """Whether images are mirrored, and by how many pixels they are shifted.

    Args:
        spec: ``"none"``, ``"flip"``, ``"shift:2"`` or ``"flip,shift:2"``.

    Raises:
        InputError: It is none of these.

    Example:
        >>> parse_augment("flip,shift:2")
        (True, 2)
    """
    flip, shift = False, 0
    for step in (part.strip() for part in spec.split(",")):
        moved = re.fullmatch(r"shift:([1-9][0-9]?)", step)
        if moved:
            shift = int(moved[1])
        elif step == "flip":
            flip = True
        elif step != "none":
            raise InputError(
                "augmentation",
                expected="none, flip, shift:PIXELS, or flip,shift:PIXELS",
                found=repr(spec),
                todo="write it like one of these",
            )
    return flip, shift
