"""The batches of a training of the original's networks, from a folder of features."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple, Protocol

from torch import Tensor

from avtnet.classic.dataset import Batch, EpochBatches, WindowDataset
from clipping.learning.loading import read_batches
from clipping.learning.processes import Process
from preprocess.settings import FeatureSettings


class Taught(NamedTuple):
    """A batch and what a network should say of it."""

    batch: Batch
    target: Tensor
    """(B,): boundaries as shares of the window."""
    songs: Tensor
    """(B, 2): songs as shares of the window, see :meth:`WindowDataset.songs`."""


class BatchSource(Protocol):
    """Batches by the steps of a training; what step n holds depends only on n and the seed."""

    settings: FeatureSettings
    """Settings of all features in it."""
    epoch_steps: int
    """Batches of an epoch."""

    def batches(self, first: int) -> Generator[Taught, None, None]:
        """Yield this process's share of the batches from step ``first`` on."""


class FolderSource:
    """Batches of windows that lie in a folder, each epoch in another order.

    Args:
        batch_size: windows of a batch, over all processes.
        threads: readers of this process; 0 reads in between.
    """

    def __init__(
        self, data: WindowDataset, process: Process, *, batch_size: int, seed: int, threads: int
    ) -> None:
        self.data, self.process = data, process
        self.batch_size, self.seed, self.threads = batch_size, seed, threads
        self.settings = data.settings
        self.epoch_steps = len(self._epoch(0))

    def batches(self, first: int) -> Generator[Taught, None, None]:
        """Yield this process's share of the batches from step ``first`` on, without end."""
        read = read_batches(self.data, self._order(first), self.threads)
        for indices, (batch, target) in zip(self._order(first), read, strict=True):
            yield Taught(batch, target, self.data.songs(indices))

    def _order(self, first: int) -> Iterator[list[int]]:
        epoch, start = divmod(first, self.epoch_steps)
        while True:
            yield from self._epoch(epoch).batches[start:]
            epoch, start = epoch + 1, 0

    def _epoch(self, number: int) -> EpochBatches:
        return EpochBatches(
            len(self.data),
            self.batch_size,
            seed=self.seed,
            epoch=number,
            rank=self.process.rank,
            ranks=self.process.ranks,
        )
