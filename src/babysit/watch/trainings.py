"""The trainings of a process, told apart by what their optimizers train: one of them goes on at a time."""

from __future__ import annotations

from torch import Tensor
from torch.optim import Optimizer

from babysit.measure.record import RunHeader
from babysit.watch.graph import parameters_of, read_graph
from babysit.watch.names import Names
from babysit.watch.store import Store
from babysit.watch.training import Training

SETTLED = 10
"""Steps after which an optimizer of other parameters, with a loss of their own, begins another training."""

YOUNG = 20
"""A training that was begun by mistake, as the one before goes on beside it, is found out within as many steps."""


class Trainings:
    """All trainings that were seen.

    Args:
        names: Of the models.
        store: Where records go.
        header: What is known of every training before it begins.

    Attributes:
        seen: In the order in which they began.
        current: The one that goes on; ``None`` before the first.
    """

    def __init__(self, names: Names, store: Store, header: RunHeader) -> None:
        self.seen: list[Training] = []
        self.current: Training | None = None
        self._names = names
        self._store = store
        self._header = header

    def begin(self) -> Training:
        """Another one goes on from here."""
        sink = self._store.new(self._header)
        self.current = Training(sink.write, sink.write_header, self._header, self._names, sink.tail)
        self.seen.append(self.current)
        return self.current

    def choose(self, optimizer: Optimizer, loss: Tensor | None) -> None:
        """Go on with the training that an optimizer belongs to: the current one, an earlier one, or a new one.

        Args:
            optimizer: About to take a step.
            loss: What was differentiated last, where it still exists.
        """
        current = self.current
        if current is None or current.optimizers.share(optimizer) or not current.optimizers.have_begun:
            return
        earlier = next((item for item in self.seen if item.optimizers.share(optimizer)), None)
        if earlier is not None:
            self._go_back(earlier, current)
        elif current.step >= SETTLED and not _depends_on(loss, current):
            self.begin().take_over(current)
            for item in self.seen[:-1]:
                if item.optimizers.are_over:
                    item.release()

    def _go_back(self, earlier: Training, current: Training) -> None:
        if current.step <= YOUNG and current is self.seen[-1]:
            earlier.adopt(current)
            self.seen.pop()
            self._store.drop()
        else:
            earlier.take_over(current)
        self.current = earlier


def _depends_on(loss: Tensor | None, training: Training) -> bool:
    """Whether a loss depends on a training's parameters."""
    view = None if loss is None else read_graph(loss)
    own = {id(item) for item in training.parameters}
    return view is not None and any(id(item) in own for item in parameters_of(view))
