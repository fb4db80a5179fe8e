"""Units trained on a Ray cluster: one task a stack, the data put once a node, results through the same ledger.

Starting a task costs Ray some milliseconds and a message, which a stack is worth and a trial often is not. Each place
of the cluster has an actor that has built the engine once, from an object that Ray sends each node once. The states of
trials wait with the process that searches, and travel with their units, as nodes need not share a disk. A node that is
lost takes the units in flight on it along; they are trained again elsewhere.
"""

from __future__ import annotations

import importlib.util
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from babysit.errors import BabysitError, InputError, Interrupted
from babysit.search.engines import Between, Engine, nothing_between
from babysit.search.runners import Finished
from babysit.search.states import MemoryStates
from babysit.search.trials import Outcome, Unit, failed
from babysit.search.users_modules import users_modules

POLL_SECONDS = 0.2
PATIENCE = 15.0
"""Seconds in which an actor has begun, if there is a place for it."""
ATTEMPTS = 4
"""How often a unit is begun whose actors die: the machine may be to blame, or the unit itself by its memory."""
States = dict[int, Mapping[str, Any]]


class Cluster:
    """A Ray cluster that was joined, or started on this machine.

    Args:
        address: ``"local"`` to start one here, or where one is: ``"auto"``, ``"10.0.0.1:6379"`` or
            ``"ray://host:10001"``.

    Raises:
        InputError: Ray is not installed, or there is no cluster at that address.
    """

    def __init__(self, address: str) -> None:
        if importlib.util.find_spec("ray") is None:
            raise InputError("ray", expected="Ray", found="none", todo="pip install 'babysit[ray]'")
        import ray

        self._joined = not ray.is_initialized()
        if self._joined:
            try:
                _knock(address)
                ray.init(address=address, log_to_driver=False, configure_logging=False, include_dashboard=False)
            except (ConnectionError, ValueError, RuntimeError, OSError) as error:
                found = " ".join(str(error).split())[:200] or type(error).__name__
                raise InputError(
                    "ray",
                    expected=f"a Ray cluster at {address}",
                    found=found,
                    todo="start one with ray start --head, or use local",
                ) from error

    def places(self, *, gpu: bool = False) -> int:
        """How many units can be trained at a time: one for each CPU, or each GPU where they are trained there."""
        return _places(gpu=gpu)

    def close(self) -> None:
        """Leave it, where it was joined here."""
        import ray

        if self._joined:
            ray.shutdown()


def _knock(address: str) -> None:
    """Raise unless somebody is there; Ray itself ends the whole process after minutes.

    Raises:
        OSError: Nobody is.
    """
    match = re.fullmatch(r"(?:ray://)?(?P<host>[^:/]+):(?P<port>\d+)", address)
    if match:
        with socket.create_connection((match["host"], int(match["port"])), timeout=5):
            pass


def _places(*, gpu: bool) -> int:
    import ray

    return max(1, int(ray.cluster_resources().get("GPU" if gpu else "CPU", 1)))


@dataclass(eq=False)
class _Place:
    """An actor, and the unit it is at.

    Attributes:
        actor: Ray's.
        unit: What it trains.
        born: Ready as soon as the actor has found a place; ``None`` of one that has trained before.
        since: When it was given the unit, on the monotonic clock.
    """

    actor: Any
    unit: Unit
    born: Any
    since: float


class OnCluster:
    """Trains units on a Ray cluster.

    Args:
        engine: Copied to every place; its states stay here.
        count: Units that are trained at a time.
        between: Called with the trial-steps of every unit that comes back, and with 0 while nothing does; may raise to
            stop.
        gpus: GPUs that a unit needs.
    """

    def __init__(self, engine: Engine, count: int, between: Between, *, gpus: float = 0.0) -> None:
        import ray

        self._engine = engine
        self._count = count
        self._gpus = gpus
        self._between = between
        self._attempts: dict[tuple[int, float], int] = {}
        self._idle: list[Any] = []
        self._busy: dict[Any, _Place] = {}
        # through the engine's own attributes, which do not belong to another machine
        here = engine.states, engine.between
        engine.states, engine.between = MemoryStates(), nothing_between
        _send_users_modules()
        self._sent = ray.put(engine)
        engine.states, engine.between = here
        self._make = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(_Trains)

    def run(self, units: Iterable[Unit]) -> Iterator[Finished]:
        """Train units as places come free, each back as it finishes."""
        waiting, again = iter(units), list[Unit]()
        while True:
            # an actor for which a lost node has left no room would wait for ever
            while len(self._busy) < min(self._count, self._room()):
                unit = again.pop() if again else next(waiting, None)
                if unit is None:
                    break
                self._send(unit)
            if not self._busy:
                return
            again += self._stranded()
            for reference in self._ready():
                yield from self._receive(reference, again)

    def release(self, numbers: Iterable[int]) -> None:
        """Forget trials that go no further."""
        self._engine.release(list(numbers))

    def close(self) -> None:
        """Give the cluster back."""
        import ray

        for actor in (*self._idle, *(place.actor for place in self._busy.values())):
            ray.kill(actor)
        self._idle.clear()
        self._busy.clear()

    def _room(self) -> int:
        return _places(gpu=self._gpus > 0)

    def _send(self, unit: Unit) -> None:
        born = None
        if self._idle:
            actor = self._idle.pop()
        else:
            actor = self._make.remote(self._sent)
            born = actor.is_there.remote()
        states = {trial.number: state for trial in unit.trials if (state := self._engine.states.get(trial.number))}
        self._busy[actor.train.remote(unit, states)] = _Place(actor, unit, born, time.monotonic())

    def _stranded(self) -> list[Unit]:
        """Units of actors that find no place, as a node was lost just when they were made, while others are idle."""
        import ray

        found: list[Unit] = []
        for reference, place in list(self._busy.items()):
            if len(found) == len(self._idle) or place.born is None or time.monotonic() - place.since < PATIENCE:
                continue
            if not ray.wait([place.born], timeout=0)[0]:
                ray.kill(place.actor)
                found.append(self._busy.pop(reference).unit)
        return found

    def _ready(self) -> list[Any]:
        import ray

        ready, _ = ray.wait(list(self._busy), num_returns=1, timeout=POLL_SECONDS)
        if not ready:
            self._between(0)
        return list(ready)

    def _receive(self, reference: Any, again: list[Unit]) -> Iterator[Finished]:
        import ray

        place = self._busy.pop(reference)
        try:
            outcomes, states, notes = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            cause = error.as_instanceof_cause()
            raise cause if isinstance(cause, BabysitError | Interrupted) else error from error
        except ray.exceptions.RayError as error:  # an actor, its node, or what it sent has gone
            yield from self._lost(place.unit, str(error), again)
            return
        self._idle.append(place.actor)
        for number, state in states.items():
            self._engine.states.put(number, state)
        self._engine.notes += [note for note in notes if note not in self._engine.notes]
        self._between(sum(outcome.steps for outcome in outcomes))
        yield place.unit, outcomes

    def _lost(self, unit: Unit, why: str, again: list[Unit]) -> Iterator[Finished]:
        """A node or a process has gone: its unit is trained by another one, but not for ever."""
        self._attempts[unit.key] = self._attempts.get(unit.key, 1) + 1
        if self._attempts[unit.key] <= ATTEMPTS:
            again.append(unit)
            return
        reason = f"the processes that trained it were lost {ATTEMPTS} times: {' '.join(why.split())[:200]}"
        yield unit, [failed(trial, unit.epochs, reason) for trial in unit.trials]


class _Trains:
    """What lives at a place of the cluster; the decorated class is Ray's."""

    def __init__(self, engine: Engine) -> None:
        import torch

        torch.set_num_threads(1)
        self._engine = engine

    def is_there(self) -> bool:
        """Whether it has begun, which it says by saying anything."""
        return True

    def train(self, unit: Unit, states: States) -> tuple[list[Outcome], States, list[str]]:
        """Train a unit; its outcomes, the states of those that may go on, and what a person should know."""
        kept = self._engine.states = MemoryStates()
        for number, state in states.items():
            kept.put(number, state)
        outcomes = self._engine.train(unit.trials, unit.epochs)
        after: States = {}
        for outcome in outcomes:
            left = kept.get(outcome.number)
            if left is not None and left is not states.get(outcome.number):
                after[outcome.number] = left
        return outcomes, after, list(self._engine.notes)


def _send_users_modules() -> None:
    """Let what is imported from the user's own folders travel along: other machines cannot import it."""
    from ray import cloudpickle

    for module in users_modules():
        cloudpickle.register_pickle_by_value(module)
