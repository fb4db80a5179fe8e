"""The training loop: one model, one optimizer, one step after the other, and nothing between that costs time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from babysit.data.batches import Batches
from babysit.fit.casts import fresh_casts
from babysit.fit.fast_linear import fast_linears
from babysit.fit.fast_pooling import fast_pooling
from babysit.fit.idle_bias import IdleBias
from babysit.fit.losses import LossFunction
from babysit.fit.optimizers import make_optimizer
from babysit.fit.schedules import Plateau, schedule_factor
from babysit.fit.settings import TrainSettings
from babysit.measure.record import LossBlock
from babysit.measure.sampling import is_sampled

KILL_RATIO = 3.0
"""A cost over this many times the initial one is exploding (the lecture)."""

_BLOCK = 256
_SYNC_EVERY_ON_DEVICE = 32


class Sampler(Protocol):
    """Looks at a sampled step from inside."""

    def sampled(self, step: int, lr: float) -> AbstractContextManager[Callable[[Tensor], None]]:
        """Watch forward, backward and update of one step; the callable takes its loss."""

    def state_dict(self) -> dict[str, Tensor]:
        """What it has to remember from one sampled step to the next."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on where :meth:`state_dict` was taken."""


class Trainer:
    """Trains a model step by step; can be saved and continued at any step, bit for bit.

    Args:
        model: Trained in place, in training mode.
        loss_fn: ``(outputs, targets) -> mean loss``.
        batches: What to train on.
        settings: Optimizer, rates, schedule, seed.
        total_steps: What the schedule takes as its end; ``settings.epochs`` passes by default.
        kill_ratio: Stop as soon as the loss is not finite or over this many times the initial loss; never, also not
            at a NaN, where this is infinite.
        chance_loss: Loss of a constant prediction; the initial loss counts as at least this, so that an easy first
            batch does not set the limit for all others.
        idle: Biases whose gradients are rounding alone; they are taken as zero as long as they look like that.
        sampler: Takes the statistics of the sampled steps.
        write_losses: Receives the loss of every step, in blocks.

    Attributes:
        idle: As given, without those that were seen not to be idle.
        step: Steps taken.
        stopped: Why training was stopped; ``""`` while all is well.
        initial_loss: The loss of the first step; NaN before it.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFunction,
        batches: Batches,
        settings: TrainSettings,
        *,
        total_steps: int | None = None,
        kill_ratio: float = math.inf,
        chance_loss: float = 0.0,
        idle: Sequence[IdleBias] = (),
        sampler: Sampler | None = None,
        write_losses: Callable[[LossBlock], None] | None = None,
    ) -> None:
        self.model = model
        self.batches = batches
        self.settings = settings
        self.total_steps = total_steps or settings.epochs * batches.steps_per_epoch
        self.optimizer = make_optimizer(
            settings.optimizer, model, lr=settings.lr, l2=settings.l2, momentum=settings.momentum
        )
        self.plateau = Plateau() if settings.schedule == "plateau" else None
        self.step = 0
        self.stopped = ""
        self.initial_loss = math.nan
        self._parameters = list(model.parameters())
        self._loss_fn = loss_fn
        self._kill_ratio = kill_ratio
        self._chance_loss = chance_loss
        self.idle = list(idle)
        self._idle_seen = False
        self._sampler = sampler
        self._write_losses = write_losses
        self._pending: list[float] = []
        self._unread: list[Tensor] = []
        self._sync_every = 1 if _device(model).type == "cpu" else _SYNC_EVERY_ON_DEVICE
        self._random_state = _seeded_state(settings.seed)
        self._running = False

    def run(self, until: int, between: Callable[[], None] | None = None) -> None:
        """Train until ``until`` steps have been taken in all, or something stops it.

        Args:
            until: Number of steps since the beginning.
            between: Called after every step; may raise to stop, with nothing lost.
        """
        self.model.train()
        with self.own_randomness(), fresh_casts(), fast_linears(self.model), fast_pooling(self.model):
            while self.step < until and not self.stopped:
                self._take_step()
                if between is not None:
                    between()
            self._read_losses()

    def taken(self, loss: float) -> None:
        """Take note of a step that was taken elsewhere with this training's weights: count it and judge its loss."""
        if self.step == 0:
            self.initial_loss = loss
        self.stopped = self.stopped or self._judge(self.step, loss)
        self.step += 1

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        factor = schedule_factor(self.settings.schedule, self.step / self.total_steps)
        return self.settings.lr * factor * (self.plateau.factor if self.plateau else 1.0)

    def state_dict(self) -> dict[str, Any]:
        """Everything that is needed to go on exactly here; its tensors are the live ones: save or copy them at once."""
        self._read_losses()
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "plateau": self.plateau.state_dict() if self.plateau else {},
            "random_state": _random_state(_device(self.model)) if self._running else self._random_state,
            "step": self.step,
            "stopped": self.stopped,
            "initial_loss": self.initial_loss,
            "pending": list(self._pending),
            "sampler": self._sampler.state_dict() if self._sampler else {},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.plateau:
            self.plateau.load_state_dict(state["plateau"])
        self._random_state = state["random_state"]
        self.step = state["step"]
        self.stopped = state["stopped"]
        self.initial_loss = state["initial_loss"]
        self._pending = list(state["pending"])
        if self._sampler:
            self._sampler.load_state_dict(state["sampler"])

    def flush(self) -> None:
        """Hand over the losses of an unfinished block."""
        if self._pending and self._write_losses is not None:
            self._write_losses(LossBlock(self.step - len(self._pending), tuple(self._pending)))
        self._pending.clear()

    def _take_step(self) -> None:
        lr = self.lr
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        if self._sampler is not None and is_sampled(self.step):
            with self._sampler.sampled(self.step, lr) as tell_loss:
                loss = self._update()
                tell_loss(loss)
        else:
            loss = self._update()
        self.step += 1
        self._unread.append(loss)
        if len(self._unread) >= self._sync_every:
            self._read_losses()

    def _update(self) -> Tensor:
        inputs, targets = self.batches.batch(self.step)
        loss = self._loss_fn(self.model(inputs), targets)
        for parameter in self._parameters:
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        if self.idle:
            self._silence()
        self.optimizer.step()
        return loss.detach()

    def _silence(self) -> None:
        if not self._idle_seen:
            self.idle = [bias for bias in self.idle if bias.is_idle()]
            self._idle_seen = True
        for bias in self.idle:
            bias.silence()

    def _read_losses(self) -> None:
        """Copy the losses to the host, a block at a time on a device, and judge each of them."""
        if not self._unread:
            return
        losses = [self._unread[0].item()] if len(self._unread) == 1 else torch.stack(self._unread).tolist()
        first = self.step - len(losses)
        self._unread.clear()
        for number, loss in enumerate(losses, start=first):
            if number == 0:
                self.initial_loss = loss
            if self._write_losses is not None:
                self._pending.append(loss)
                if len(self._pending) == _BLOCK:
                    self._write_losses(LossBlock(number + 1 - _BLOCK, tuple(self._pending)))
                    self._pending.clear()
            if not self.stopped:
                self.stopped = self._judge(number, loss)

    def _judge(self, step: int, loss: float) -> str:
        return verdict(step, loss, max(self.initial_loss, self._chance_loss), self._kill_ratio)

    @contextmanager
    def own_randomness(self) -> Iterator[None]:
        """Inside, dropout and its like draw from this training's own stream; the caller's is left as it was."""
        device = _device(self.model)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            _set_random_state(self._random_state, device)
            self._running = True
            try:
                yield
            finally:
                self._running = False
                self._random_state = _random_state(device)


def verdict(step: int, loss: float, initial: float, kill_ratio: float) -> str:
    """Why a training is stopped after a step; ``""`` where it goes on.

    Args:
        step: Number of the step, from 0.
        loss: Its loss.
        initial: What the loss was at the beginning.
        kill_ratio: See :class:`Trainer`.

    Example:
        >>> verdict(7, 9.0, 2.0, 3.0)
        'loss 9 over 3 × the initial 2 at step 7'
    """
    if math.isinf(kill_ratio):
        return ""
    if not math.isfinite(loss):
        return f"loss {loss} at step {step}"
    if loss > kill_ratio * initial:
        return f"loss {loss:.3g} over {kill_ratio:g} × the initial {initial:.3g} at step {step}"
    return ""


def _device(model: nn.Module) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def _seeded_state(seed: int) -> dict[str, Tensor]:
    return {"cpu": torch.Generator().manual_seed(seed).get_state()}


def _random_state(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        if "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], device)
        else:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(torch.initial_seed())
