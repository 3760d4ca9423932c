"""Batches made by threads or processes while the network computes, and how long it waited.

Files are read by threads: unpacking and numpy let go of Python's lock, and the arrays need not be
sent from one process to another.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
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


class Batches(Protocol):
    """The batches of a training by their steps; pickled for other processes."""

    def __len__(self) -> int: ...

    def __getitem__(self, step: int) -> Any: ...


@dataclass
class Waiting:
    """A clock of the time that passes, and of the part of it spent waiting for data."""

    seconds: float = 0.0
    since: float = field(default_factory=time.monotonic)

    @contextmanager
    def over(self) -> Iterator[None]:
        """Count the time that a block takes as waiting."""
        asked = time.monotonic()
        yield
        self.seconds += time.monotonic() - asked

    @property
    def share(self) -> float:
        """Share of the time that was spent waiting, 0..1."""
        passed = time.monotonic() - self.since
        return min(1.0, self.seconds / passed) if passed > 0 else 0.0


def read_batches(
    data: Data, order: Iterable[Sequence[int]], threads: int
) -> Generator[tuple[Any, Tensor], None, None]:
    """Yield the batches and their targets, in order; close the generator to leave it early.

    Args:
        order: the numbers of the items of each batch.
        threads: readers; 0 reads each batch when it is asked for.

    Raises:
        FeatureError: a file cannot be read; raised when its batch is due.
    """
    yield from _read_ahead(data, order, threads) if threads else map(data.read, order)


def made_by_processes(batches: Batches, first: int, processes: int) -> Generator[Any, None, None]:
    """Yield ``batches[first]``, ``batches[first + 1]`` and so on, each made by one process whole.

    For batches that cost much Python to make; those that are read from files: read_batches.

    Args:
        processes: that make batches ahead; 0 makes each when it is asked for.
    """
    from torch.utils.data import DataLoader

    yield from DataLoader(
        batches,  # type: ignore[arg-type]
        batch_size=None,
        sampler=range(first, len(batches)),
        num_workers=processes,
    )


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
