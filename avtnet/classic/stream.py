"""Training windows streamed from shards, wherever they lie: for sets that no disk here holds."""

from __future__ import annotations

import math
import tempfile
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import torch

from avtnet.classic.dataset import Batch, from_either_end, new_batch, read_row, to_targets
from avtnet.classic.sources import Taught
from clipping.errors import ClippingError, FeatureError
from clipping.learning.loading import AHEAD
from clipping.learning.processes import Process
from clipping.storage import as_written, local
from clipping.windows import WINDOW_SECONDS
from preprocess.features import load
from preprocess.settings import FeatureSettings
from preprocess.shards import Packed, Shard, read_index, read_shard

MIXED = 64
"""Windows that are held to be mixed. A shard is a random sample of all windows, so few do."""


class ShardSource:
    """Batches of the labelled windows of a folder of shards, each epoch in another order.

    Each epoch deals the shards to the processes again; each process reads its own from one end to
    the other. All yield the same number of batches; windows that are over are left out of the
    epoch. What a batch holds depends on seed, step and number of processes, not on the threads.
    A training that goes on inside an epoch reads the shards of that epoch up to its place.

    Args:
        folder: of ``python -m preprocess.shards``, or its URL.
        batch_size: windows of a batch, over all processes.
        threads: that unpack windows, next to one that reads; 0 does both in between.

    Raises:
        ClippingError: there are fewer shards than processes, or fewer windows than a batch.
        FeatureError: the first shard is damaged.
    """

    def __init__(
        self,
        folder: Path | str,
        process: Process,
        *,
        batch_size: int,
        seed: int,
        threads: int,
        reverse_ends: bool = False,
    ) -> None:
        self.folder, self.process = local(folder), process
        self.seed, self.threads, self.reverse_ends = seed, threads, reverse_ends
        self.shards = read_index(self.folder)
        self.rows = len(process.share(range(batch_size)))
        self.epoch_steps = self._epoch_steps(math.ceil(batch_size / process.ranks), batch_size)
        self.settings = self._first_settings()

    def _first_settings(self) -> FeatureSettings:
        """Return the settings of the first window; all must be made with the same."""
        windows = cast(Generator[Packed, None, None], self._read(self.shards[0]))
        with closing(windows), tempfile.TemporaryDirectory(prefix="avtnet-") as here:
            packed, path = next(windows), Path(here) / "first.safetensors"
            path.write_bytes(packed.features)
            try:
                return load(path).settings
            except FeatureError as error:
                raise self._named(packed, path, error) from error

    def _epoch_steps(self, rows: int, batch_size: int) -> int:
        """Return the batches that every epoch has for every process, however shards are dealt."""
        ranks = self.process.ranks
        if len(self.shards) < ranks:
            raise ClippingError(
                f"{as_written(self.folder)}: {len(self.shards)} shards cannot be shared by {ranks} "
                "processes; pack smaller ones (--shard-mb) or take fewer processes"
            )
        fewest = sorted(shard.windows for shard in self.shards)[: len(self.shards) // ranks]
        if not (steps := sum(fewest) // rows):
            raise ClippingError(
                f"{as_written(self.folder)}: a process has {sum(fewest)} windows, less than its "
                f"share of a batch of {batch_size}; lower --batch-size"
            )
        return steps

    def batches(self, first: int) -> Generator[Taught, None, None]:
        """Yield this process's share of the batches from step ``first`` on, without end."""
        with tempfile.TemporaryDirectory(prefix="avtnet-") as here:
            rows = self._rows(first)
            if not self.threads:
                for windows in rows:
                    yield self._taught(windows, Path(here), None)[0]
            with (
                ThreadPoolExecutor(1, "shards") as reader,
                ThreadPoolExecutor(max(1, self.threads), "features") as pool,
            ):
                due: deque[Future[tuple[Taught, list[Future[None]]]]] = deque()
                try:
                    while True:
                        while len(due) <= AHEAD:
                            due.append(reader.submit(self._next, rows, Path(here), pool))
                        taught, unpacked = due.popleft().result()
                        for each in unpacked:
                            each.result()
                        yield taught
                finally:
                    reader.shutdown(cancel_futures=True)
                    pool.shutdown(cancel_futures=True)

    def _next(
        self, rows: Iterator[list[Packed]], here: Path, pool: Executor
    ) -> tuple[Taught, list[Future[None]]]:
        return self._taught(next(rows), here, pool)

    def _taught(
        self, windows: Sequence[Packed], here: Path, pool: Executor | None
    ) -> tuple[Taught, list[Future[None]]]:
        """Return a batch of packed windows, and what of it is still being unpacked."""
        batch = new_batch(self.settings, len(windows))
        backwards = [self.reverse_ends and each.name.endswith("_end") for each in windows]
        seconds = [self._label(each) for each in windows]
        jobs = [
            (batch, row, each, backwards[row], here / f"{id(batch)}-{row}.safetensors")
            for row, each in enumerate(windows)
        ]
        futures = []
        for job in jobs:
            if pool is None:
                self._unpack(*job)
            else:
                futures.append(pool.submit(self._unpack, *job))
        target = from_either_end(to_targets(seconds), torch.tensor(backwards))
        return Taught(batch, target, torch.full((len(windows), 2), math.nan)), futures

    def _unpack(self, batch: Batch, row: int, packed: Packed, backwards: bool, here: Path) -> None:
        here.write_bytes(packed.features)
        try:
            read_row(batch, row, here, self.settings, backwards=backwards)
        except FeatureError as error:
            raise self._named(packed, here, error) from error
        finally:
            here.unlink(missing_ok=True)

    def _named(self, packed: Packed, here: Path, error: FeatureError) -> FeatureError:
        """Return the error of a window's temporary file with the window's place for its name."""
        where = f"{as_written(self.folder)}: {packed.name}"
        return FeatureError(str(error).replace(str(here), where))

    def _label(self, packed: Packed) -> float:
        if packed.seconds is None or not 0 <= packed.seconds <= WINDOW_SECONDS:
            raise FeatureError(
                f"{as_written(self.folder)}: {packed.name}: has no label; pack with --labels"
            )
        return packed.seconds

    def _rows(self, first: int) -> Iterator[list[Packed]]:
        """Yield the windows of this process's batches from step ``first`` on."""
        epoch, skipped = divmod(first, self.epoch_steps)
        while True:
            windows = self.windows(epoch)
            for _ in islice(windows, skipped * self.rows):
                pass
            for _ in range(skipped, self.epoch_steps):
                rows = list(islice(windows, self.rows))
                if len(rows) < self.rows:
                    raise FeatureError(f"{as_written(self.folder)}: holds less than its index says")
                yield rows
            epoch, skipped = epoch + 1, 0

    def windows(self, epoch: int) -> Iterator[Packed]:
        """Yield this process's windows of an epoch, mixed."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.shards))
        mine = [self.shards[index] for index in self.process.share(order.tolist())]
        random = np.random.default_rng([self.seed, epoch, self.process.rank])
        return _mixed((packed for shard in mine for packed in self._read(shard)), MIXED, random)

    def _read(self, shard: Shard) -> Iterator[Packed]:
        """Yield the windows of a shard; it must hold as many as its index says."""
        count = 0
        for packed in read_shard(self.folder / shard.name):
            count += 1
            yield packed
        if count != shard.windows:
            raise FeatureError(
                f"{as_written(self.folder / shard.name)}: holds {count} windows, not the "
                f"{shard.windows} of its index; pack the features again"
            )


def _mixed(stream: Iterator[Packed], mix: int, random: np.random.Generator) -> Iterator[Packed]:
    """Yield the same windows, each swapped with one of the ``mix`` before it."""
    held: list[Packed] = []
    for packed in stream:
        if len(held) < mix:
            held.append(packed)
            continue
        place = int(random.integers(mix))
        held[place], packed = packed, held[place]
        yield packed
    for place in random.permutation(len(held)):
        yield held[place]
