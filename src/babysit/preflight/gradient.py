"""Is the gradient that of the loss? Autograd against centred differences, in double precision.

Of every parameter, all numbers at once along a random direction, which shows that one of them is wrong; where it does,
halving finds which. Then some entries one by one, the one with the largest gradient first. Where the differences do not
agree among themselves there is a kink (a ReLU's, a max-pool's), and nothing is said.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from babysit.measure.record import Probe
from babysit.preflight.batch import Batch
from babysit.preflight.failures import failure
from babysit.preflight.isolation import isolated
from babysit.preflight.modes import set_training
from babysit.preflight.randomness import randomness_kept
from babysit.preflight.still import MovedError, StillLoss, UnsteadyError, double_precision
from babysit.preflight.subject import Subject
from babysit.preflight.timing import quickest

EXAMPLES = 8
"""As the fewer examples, the fewer kinks (CS231n notes, neural-networks-3)."""
FEWEST, EVALUATIONS = 4, 50
"""Examples where the time does not suffice for so many evaluations in single precision, as double takes three times as
long and the first derivative some ten of these (heuristic)."""
BURN_IN = 10
"""Optimizer steps before the second look, away from the peculiar point where a training starts (the same notes)."""
STEPS = (1e-5, 1e-6, 1e-7)
"""Of the differences; a smaller one where a kink lies within (the first is the notes')."""
SMALL = 64
"""Parameters with up to this many numbers are looked at entry by entry where kinks hide the direction."""
BLOCK = 1 << 20
"""Numbers of a parameter in one direction at most, for memory and time."""
UNSETTLED = 1e-4
"""Differences at h and h/2 that differ by more, relative to the gradient, lie across a kink; healthy ones differ by
1e-6 at most, and the error that remains is as small."""
UNSETTLED_DIRECTION = 1e-7
SUSPECT = 1e-6
"""A direction whose two derivatives differ by more of the gradient's root mean square is halved."""
NEGLIGIBLE = 1e-6
"""Gradients below this share of the largest are not told from zero."""
MISMATCH = 1e-3
"""An entry this wrong at the start needs no second look."""
EPSILON = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class _Compared:
    """One derivative in two ways; ``step`` is zero where there is a kink."""

    analytic: float
    numeric: float
    noise: float
    step: float


@dataclass
class _Found:
    """What has been looked at so far."""

    entries: int = 0
    directions: int = 0
    kinks: int = 0
    negligible: int = 0
    worst: float = -1.0
    analytic: float = 0.0
    numeric: float = 0.0
    parameter: str = ""
    index: tuple[int, ...] = ()
    when: str = ""
    gave_up: bool = False
    errors: dict[str, float] = field(default_factory=dict)
    largest_loss: float = 0.0

    def note(self, name: str, index: tuple[int, ...], compared: _Compared, floor: float, when: str) -> None:
        """An entry that is no kink."""
        analytic, numeric = compared.analytic, compared.numeric
        apart = abs(analytic - numeric)
        error = apart / max(abs(analytic), abs(numeric), floor) if apart else 0.0  # a loss of zero has no floor
        self.entries += 1
        self.negligible += max(abs(analytic), abs(numeric)) < floor
        self.errors[name] = max(error, self.errors.get(name, 0.0))
        if error > self.worst:
            self.worst, self.analytic, self.numeric = error, analytic, numeric
            self.parameter, self.index, self.when = name, index, when


def probe_gradient(subject: Subject, *, entries: int = 4, time_limit: float = 10.0) -> Probe:
    """Autograd against centred differences, at the start and after a short training of a copy.

    Args:
        subject: What is about to be trained.
        entries: Looked at one by one in each parameter, at each of the two points, beside its direction.
        time_limit: Seconds after which it ends with what it has, every parameter's largest entry first.

    Returns:
        A probe with numbers ``error`` (the worst relative error), its ``autograd`` and ``difference``, ``entries``,
        ``directions``, ``kinks`` (what was left out), ``negligible`` (entries too small beside the others to be told
        from zero), ``parameters`` (looked at), ``trainable`` and ``seconds``; the worst error of each parameter; the
        name and index of the worst. Only the reason where the model cannot be evaluated in double precision.
    """
    begin = time.monotonic()
    found = _Found()
    trainable = sum(parameter.requires_grad for parameter in subject.model.parameters())
    try:
        batch = _few(subject, time_limit)
        _look(subject, batch, found, entries, "at the start", begin + time_limit / 2, burn_in=0)
        if time.monotonic() > begin + time_limit:  # one evaluation may take as long
            found.gave_up = True
        elif found.worst <= MISMATCH and trainable:
            _look(subject, batch, found, entries, f"after {BURN_IN} steps", begin + time_limit, burn_in=BURN_IN)
    except UnsteadyError as error:
        reason = str(error)
    except Exception as error:
        reason = f"the model does not run in double precision: {failure(error)}"
    else:
        reason = "" if found.entries else "no difference settled: kinks everywhere, or computed in lower precision"
    if not found.entries:
        return Probe("gradient", texts={"reason": reason or "nothing is trainable"})
    return Probe(
        "gradient",
        numbers={
            "error": found.worst,
            "autograd": found.analytic,
            "difference": found.numeric,
            "entries": float(found.entries),
            "directions": float(found.directions),
            "kinks": float(found.kinks),
            "negligible": float(found.negligible),
            "parameters": float(len(found.errors)),
            "trainable": float(trainable),
            "seconds": time.monotonic() - begin,
        },
        series={"errors": tuple(found.errors.values())},
        texts={
            "parameter": found.parameter,
            "index": str(list(found.index)),
            "when": found.when,
            "names": " ".join(found.errors),
            **({"gave_up": f"after {time_limit:.2g} s"} if found.gave_up else {}),
        },
    )


def _few(subject: Subject, time_limit: float) -> Batch:
    """Some examples, as many as there is time for."""
    few = subject.few(EXAMPLES)
    # whatever it raises is told of when it is looked at
    with randomness_kept(), isolated(subject.model) as model, contextlib.suppress(Exception):
        seconds = quickest(lambda: subject.loss(model, few), 2, enough=time_limit / EVALUATIONS)
        if seconds > time_limit / EVALUATIONS:
            return subject.few(FEWEST)
    return few


def _look(
    subject: Subject, batch: Batch, found: _Found, entries: int, when: str, until: float, *, burn_in: int
) -> None:
    """Compare at one point."""
    with randomness_kept(), isolated(subject.model) as model:
        if not subject.model.training:
            set_training(model, True)
        if burn_in and not _train(subject, batch, model, burn_in):
            return
        with double_precision():
            model.double()
            doubled = batch.to(torch.float64)
            still = StillLoss(model, lambda: subject.loss(model, doubled))
            _Comparison(model, still, found, when, until).run(entries)


def _train(subject: Subject, batch: Batch, model: nn.Module, steps: int) -> bool:
    """Some steps of the optimizer, or of plain gradient descent; whether the weights are still finite."""
    before = {name: item.clone() for name, item in model.state_dict().items()}

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = subject.loss(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    try:
        optimizer = subject.optimizer_for(model)
        for _ in range(steps):
            optimizer.step(closure)  # type: ignore[arg-type]
    except Exception:  # one that takes no closure, or has lost its own model
        model.load_state_dict(before)
        optimizer = torch.optim.SGD([item for item in model.parameters() if item.requires_grad], lr=1e-3)
        for _ in range(steps):
            optimizer.step(closure)
    return all(bool(item.isfinite().all()) for item in model.parameters())


class _Comparison:
    """Derivatives at one point of the parameters."""

    def __init__(self, model: nn.Module, still: StillLoss, found: _Found, when: str, until: float) -> None:
        self.parameters = {
            name: item for name, item in model.named_parameters() if item.requires_grad and item.is_floating_point()
        }
        self.still, self.found, self.when, self.until = still, found, when, until
        self.padding = _padding(model)
        self.generator = torch.Generator().manual_seed(0)
        for item in self.parameters.values():
            item.grad = None
        self.loss = still.differentiate()
        # a loss near zero is made of numbers that are not, whose rounding counts
        found.largest_loss = max(found.largest_loss, abs(self.loss))
        self.gradients = {name: _taken(item) for name, item in self.parameters.items()}
        scales = [float(item.abs().max()) for item in self.gradients.values() if item.numel()]
        if not all(scale < float("inf") for scale in scales):
            raise UnsteadyError("the gradient is not finite")
        self.negligible = NEGLIGIBLE * max(scales, default=0.0)

    def run(self, entries: int) -> None:
        """Every parameter's largest entry, then its direction, then other entries, until the time is over."""
        names = [name for name, item in self.parameters.items() if item.numel()]
        candidates = {name: self._candidates(name, entries) for name in names}
        hidden = set()
        for turn, name in itertools.product(range(max(entries, SMALL)), names):
            if turn >= entries and name not in hidden:
                continue
            if self._is_over():
                return
            self._entry(name, candidates[name])
            if turn or self._is_over():
                continue
            if not self._direction(name) and len(self.gradients[name]) <= SMALL:
                hidden.add(name)

    def _is_over(self) -> bool:
        """Whether the time is over, and anything was found."""
        if not self.found.entries or time.monotonic() <= self.until:
            return False
        self.found.gave_up = True
        return True

    def _candidates(self, name: str, entries: int) -> Iterator[int]:
        """Places in a parameter: the largest gradient's, then by turns one that has a gradient and any."""
        gradient = self.gradients[name]
        largest = int(gradient.abs().argmax())
        if len(gradient) <= SMALL:
            others = (place for place in range(len(gradient)) if place != largest)
            return self._without_padding(name, [largest, *others])
        some = 4 * entries
        nonzero = gradient.nonzero().flatten()
        drawn = torch.randint(len(gradient), (some,), generator=self.generator).tolist()
        if len(nonzero):
            places = torch.randint(len(nonzero), (some,), generator=self.generator)
            drawn = list(itertools.chain(*zip(nonzero[places].tolist(), drawn, strict=True)))
        return self._without_padding(name, dict.fromkeys([largest, *drawn[:some]]))

    def _without_padding(self, name: str, places: Iterable[int]) -> Iterator[int]:
        padding = self.padding.get(name, range(0))
        return (place for place in places if place not in padding)

    def _entry(self, name: str, candidates: Iterator[int]) -> None:
        """The next entry that is no kink."""
        for place in candidates:
            if self._compare_entry(name, place):
                return
            if time.monotonic() > self.until:
                return

    def _compare_entry(self, name: str, place: int) -> bool:
        one = torch.ones(1, dtype=torch.float64)
        compared = self._compare(name, torch.tensor([place]), one, UNSETTLED)
        if not compared.step:
            self.found.kinks += 1
            return False
        index = tuple(int(i) for i in torch.unravel_index(torch.tensor(place), self.parameters[name].shape))
        self.found.note(name, index, compared, self._floor(compared.step), self.when)
        return True

    def _direction(self, name: str) -> bool:
        """All numbers of a parameter at once; where that shows a difference, the entry that makes most of it.

        Returns:
            Whether the differences settled.
        """
        size = len(self.gradients[name])
        places = torch.arange(size)
        if size > BLOCK:
            places = torch.randperm(size, generator=self.generator)[:BLOCK]
        padding = self.padding.get(name, range(0))
        places = places[(places < padding.start) | (places >= padding.stop)]
        signs = torch.randint(0, 2, (len(places),), generator=self.generator) * 2 - 1
        values = signs / len(places) ** 0.5
        root_mean_square = float(self.gradients[name][places].square().mean().sqrt())
        compared = self._compare(name, places, values, UNSETTLED_DIRECTION, root_mean_square)
        if not compared.step:
            self.found.kinks += 1
            return False
        self.found.directions += 1
        limit = SUSPECT * max(root_mean_square, self._floor(compared.step)) + compared.noise
        if abs(compared.analytic - compared.numeric) > limit:
            self._compare_entry(name, self._halve(name, places, values))
        return True

    def _halve(self, name: str, places: Tensor, values: Tensor) -> int:
        while len(places) > 1:
            middle = len(places) // 2
            halves = [(places[:middle], values[:middle]), (places[middle:], values[middle:])]
            differences = []
            for part, along in halves:
                compared = self._compare(name, part, along / along.norm(), UNSETTLED)
                # the step is of unit length, so that a half's share of the difference goes with its length
                share = float(along.norm()) if compared.step else 0.0
                differences.append(share * abs(compared.analytic - compared.numeric))
            places, values = halves[differences.index(max(differences))]
        return int(places[0])

    def _compare(self, name: str, places: Tensor, values: Tensor, unsettled: float, least: float = 0.0) -> _Compared:
        """The derivative along a direction of unit length.

        Args:
            name: Of the parameter.
            places: In it, flat.
            values: Of the direction there.
            unsettled: What makes a kink, relative to the derivative.
            least: A gradient's size that a derivative is not held to be smaller than.
        """
        parameter = self.parameters[name]
        analytic = float(self.gradients[name][places] @ values)
        index = torch.unravel_index(places.to(parameter.device), parameter.shape)
        start = parameter.detach()[index].clone()
        along = values.to(parameter.device)
        compared = _Compared(analytic, 0.0, 0.0, 0.0)
        try:
            for step in STEPS:
                losses = []
                for distance in (step, -step, step / 2, -step / 2):
                    parameter.data[index] = start + distance * along
                    losses.append(self.still())
                noise = 20 * EPSILON * abs(self.loss) / step
                whole, half = (losses[0] - losses[1]) / (2 * step), (losses[2] - losses[3]) / step
                bend = (losses[0] + losses[1] - 2 * self.loss) / step
                half_bend = 2 * (losses[2] + losses[3] - 2 * self.loss) / step
                # a smooth function's bend goes with the step; a kink's, also one right here, stays
                jump = max(abs(whole - half), abs(bend - 2 * half_bend))
                scale = max(abs(analytic), abs(half), self._floor(step), least)
                if jump <= unsettled * scale + noise:
                    return _Compared(analytic, (4 * half - whole) / 3, noise, step)
        except MovedError:
            return compared
        finally:
            parameter.data[index] = start
        return compared

    def _floor(self, step: float) -> float:
        """Gradients below this are not told from zero: the differences' rounding is far less."""
        return max(self.negligible, 1e5 * EPSILON * self.found.largest_loss / step)


def _padding(model: nn.Module) -> dict[str, range]:
    """Places of the row that an embedding never trains, by the name of its weights: its gradient is zero on purpose."""
    rows = {
        id(module.weight): range(module.padding_idx * width, (module.padding_idx + 1) * width)
        for module in model.modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.padding_idx is not None
        for width in [module.embedding_dim]
    }
    return {name: rows[id(item)] for name, item in model.named_parameters() if id(item) in rows}


def _taken(parameter: Tensor) -> Tensor:
    """The gradient, flat on the host, taken out of the parameter."""
    gradient, parameter.grad = parameter.grad, None
    if gradient is None:
        return torch.zeros(parameter.numel(), dtype=torch.float64)
    return gradient.to_dense().detach().reshape(-1).double().cpu()
