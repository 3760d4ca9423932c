"""Batches read by threads while the network computes, and how long it waited for them.

Threads, not processes: unpacking and numpy let go of Python's lock, the arrays need not be sent,
and nothing has to be started anew in each epoch.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

AHEAD = 2
"""Batches that are read, or being read, while one is computed: 70 MB each for 16 windows."""


class Data(Protocol):
    """A data set that reads batches by the numbers of their items."""

    def read(self, indices: Sequence[int]) -> tuple[Any, Tensor]:
        """The batch of these items, and its targets."""

    def room(self, items: int) -> Any:
        """An empty batch of so many items."""

    def read_into(self, batch: Any, row: int, index: int) -> None:
        """Read one item into a row of a batch."""

    def targets(self, indices: Sequence[int]) -> Tensor:
        """The targets of these items."""


@dataclass
class Waiting:
    """A clock of the time that passes, and of how much of it went by waiting for data."""

    seconds: float = 0.0
    since: float = field(default_factory=time.monotonic)

    @property
    def share(self) -> float:
        """The part spent waiting, 0..1."""
        passed = time.monotonic() - self.since
        return min(1.0, self.seconds / passed) if passed > 0 else 0.0


def read_batches(
    data: Data, order: Iterable[Sequence[int]], threads: int, waiting: Waiting
) -> Generator[tuple[Any, Tensor], None, None]:
    """The batches and their targets, in order; close the iterator where it is left early.

    Args:
        order: which windows make up each batch.
        threads: how many read; 0 reads each batch when it is asked for.
        waiting: what passes between asking for a batch and having it is added to its seconds.

    Raises:
        FeatureError: where a file cannot be read, when its batch is due.
    """
    asked = time.monotonic()
    for batch in _read_ahead(data, order, threads) if threads else map(data.read, order):
        waiting.seconds += time.monotonic() - asked
        yield batch
        asked = time.monotonic()


def _read_ahead(
    data: Data, order: Iterable[Sequence[int]], threads: int
) -> Generator[tuple[Any, Tensor], None, None]:
    due: deque[tuple[Any, Tensor, list[Future[None]]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="features")
    try:
        for indices in order:
            batch, target = data.room(len(indices)), data.targets(indices)
            reads = [
                pool.submit(data.read_into, batch, row, index) for row, index in enumerate(indices)
            ]
            due.append((batch, target, reads))
            if len(due) > AHEAD:
                yield _finished(*due.popleft())
        while due:
            yield _finished(*due.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(batch: Any, target: Tensor, reads: list[Future[None]]) -> tuple[Any, Tensor]:
    for read in reads:
        read.result()
    return batch, target
