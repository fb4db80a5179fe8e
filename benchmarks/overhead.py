"""What watching costs: the time of a step, watched and not, interleaved, on one thread.

::

    python benchmarks/overhead.py --rounds 9

Each round times blocks of the same steps of the same training, one after the other: bare; watched between two sampled
steps; with every step sampled; with every step looked at closely, batches and losses too; with module hooks that do
nothing; and with peers where they are installed. A ratio is a block's time over that of the bare blocks around it,
after some steps in which whatever is done once has been done; the table gives the median and the range over the rounds.
What the default costs late in a run, after 10,000 steps, follows from the first three: one step in 128 is sampled
there, and one in four of these is looked at closely.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from babysit.watch import Monitor

UNSAMPLED, SAMPLED, CLOSELY = "between sampled steps", "a sampled step", "a sampled step, looked at closely"
SHARES = {UNSAMPLED: 127 / 128, SAMPLED: 3 / 512, CLOSELY: 1 / 512}
"""Of the steps after the 8,192nd."""
READY = 4
"""Steps before a block is timed."""
SURE = 64
"""As many more before sampled steps that are not looked at closely: in a run 64 that are come before the first of them,
and in as many without a functional activation the search for these ends."""


class Encoder(nn.Module):
    """Two transformer layers over a sequence of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(256, 128)
        layer = nn.TransformerEncoderLayer(128, 4, 256, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(128, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of a batch of sequences."""
        return self.head(self.layers(self.embedding(tokens)).mean(dim=1))


def mlp(*widths: int) -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 10))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 49, 10),
    )


WORKLOADS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor]]] = {
    "MLP 784-256-128-10, batch 128": (lambda: mlp(784, 256, 128), lambda: torch.randn(128, 784)),
    "MLP 784-512-512-256-10, batch 256": (lambda: mlp(784, 512, 512, 256), lambda: torch.randn(256, 784)),
    "CNN 16-32, 28×28, batch 128": (cnn, lambda: torch.randn(128, 1, 28, 28)),
    "transformer 2 × 128, 32 × 32 tokens": (Encoder, lambda: torch.randint(0, 256, (32, 32))),
}


class Workload:
    """One training that goes on from block to block."""

    def __init__(self, model: Callable[[], nn.Module], data: Callable[[], Tensor]) -> None:
        torch.manual_seed(0)
        self.model = model()
        self.batches = [data() for _ in range(8)]
        self.targets = [torch.randint(0, 10, (len(batch),)) for batch in self.batches]
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.loss = 0.0

    def steps(self, count: int, each: Callable[[], None] | None = None) -> float:
        """Milliseconds of processor time a step, which a busy machine disturbs less."""
        start = time.process_time()
        for number in range(count):
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(self.batches[number % 8]), self.targets[number % 8])
            loss.backward()
            self.optimizer.step()
            self.loss = loss.item()
            if each is not None:
                each()
        return 1000 * (time.process_time() - start) / count


@contextlib.contextmanager
def watched(start: int) -> Iterator[None]:
    """Watching that has gone on for so many steps, recorded in a folder as `babysit run` does."""
    with tempfile.TemporaryDirectory() as folder, Monitor(out=Path(folder)) as monitor:
        training = monitor._observer._current
        assert training is not None
        training.step = start
        training.sample = training._new_sample(start)
        monitor._observer._watch_next()
        yield


def _always(_: int) -> bool:
    return True


def _never(_: int) -> bool:
    return False


@contextlib.contextmanager
def every_step_sampled(*, closely: bool) -> Iterator[None]:
    """Every step is a sampled one; of those after the first 64 about one in four is also looked at closely."""
    with (
        # functions, as a mock's own call would be a part of what is measured
        mock.patch("babysit.watch.training.is_sampled", new=_always),
        mock.patch("babysit.watch.training.is_detailed", new=_always if closely else _never),
        watched(5),
    ):
        yield


@contextlib.contextmanager
def empty_hooks() -> Iterator[None]:
    """Module hooks that do nothing."""
    from torch.nn.modules import module

    handles = [
        module.register_module_forward_pre_hook(lambda *_: None),
        module.register_module_forward_hook(lambda *_: None),
    ]
    yield
    for handle in handles:
        handle.remove()


def peers(workload: Workload) -> dict[str, Callable[[], contextlib.AbstractContextManager[Callable[[], None] | None]]]:
    """Other tools, where they are installed, as their documentation says."""
    found: dict[str, Callable[[], contextlib.AbstractContextManager[Callable[[], None] | None]]] = {}
    with contextlib.suppress(Exception):
        from torch.utils.tensorboard import SummaryWriter

        @contextlib.contextmanager
        def histograms() -> Iterator[Callable[[], None]]:
            with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
                step = 0

                def write() -> None:
                    nonlocal step
                    step += 1
                    for name, parameter in workload.model.named_parameters():
                        writer.add_histogram(name, parameter, step)
                        writer.add_histogram(f"{name}.grad", parameter.grad, step)

                yield write

        found["TensorBoard histograms, every step"] = histograms
    with contextlib.suppress(Exception):
        from torch_audit import Auditor, audit_step

        @contextlib.contextmanager
        def audited(interval: int) -> Iterator[Callable[[], None]]:
            with Auditor(workload.model, optimizer=workload.optimizer, every_n_steps=interval) as auditor:
                yield audit_step(auditor)(lambda: None)

        for interval in (1000, 10, 1):
            found[f"torch-audit, every {interval} steps"] = functools.partial(audited, interval)
    with contextlib.suppress(Exception):
        from torchmortem import Autopsy

        @contextlib.contextmanager
        def autopsied(sampling: str) -> Iterator[Callable[[], None]]:
            with Autopsy(workload.model, optimizer=workload.optimizer, sampling=sampling) as autopsy:
                yield lambda: autopsy.step(loss=workload.loss)

        for sampling in ("balanced", "fast"):
            found[f"torchmortem, {sampling}"] = functools.partial(autopsied, sampling)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.6, help="of a block")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| training | bare, ms | watching | ratio, median | range |\n|---|---|---|---|---|")
    for name, (model, data) in WORKLOADS.items():
        workload = Workload(model, data)
        workload.steps(20)
        count = max(16, round(options.seconds * 1000 / workload.steps(10)))
        modes = {
            UNSAMPLED: lambda: watched(1 << 24),
            SAMPLED: lambda: every_step_sampled(closely=False),
            CLOSELY: lambda: every_step_sampled(closely=True),
            "module hooks that do nothing": empty_hooks,
            **peers(workload),
        }
        ratios: dict[str, list[float]] = {mode: [] for mode in modes}
        bare: list[float] = []
        for _ in range(options.rounds):
            for mode, context in modes.items():
                plain = workload.steps(count)
                with context() as each:
                    workload.steps(READY + SURE * (mode == SAMPLED), each)
                    taken = workload.steps(count, each)
                plain = (plain + workload.steps(count)) / 2
                bare.append(plain)
                ratios[mode].append(taken / plain)
        late = [sum(ratios[mode][place] * share for mode, share in SHARES.items()) for place in range(options.rounds)]
        for mode, values in {"default, late in a run": late, **ratios}.items():
            middle, usual = statistics.median(values), statistics.median(bare)
            spread = f"{min(values):.3f}–{max(values):.3f}"
            print(f"| {name} | {usual:.2f} | {mode} | {middle:.3f} | {spread} |", flush=True)


if __name__ == "__main__":
    main()
