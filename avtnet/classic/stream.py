"""Training windows streamed from shards, wherever they lie: for sets that no disk here holds."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from avtnet.classic.dataset import Batch, to_batch, to_targets
from clipping.errors import ClippingError, FeatureError
from clipping.storage import as_written, local
from clipping.windows import WINDOW_SECONDS
from preprocess.features import Features, load
from preprocess.settings import FeatureSettings
from preprocess.shards import Packed, Shard, read_index, read_shard


@dataclass(frozen=True)
class Share:
    """Which part of all windows a process reads: part ``index`` of ``count``."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ClippingError(f"there is no part {self.index} of {self.count}")


class ShardDataset(IterableDataset[tuple[Features, float]]):
    """The labelled windows of a folder of shards, in another order each epoch.

    Each process of a training (``rank``), and each of its loading workers, reads shards of its
    own, from one end to the other. All yield the same number of windows, so that no process waits
    for another at an epoch's end; the few that are over are left out until the next epoch, which
    deals the shards anew. Set :attr:`epoch` before each one.

    Args:
        folder: of ``python -m preprocess.shards``, or its URL.
        rank: this process's part.
        mix: windows that are held to be mixed; shards are samples of all, so few are enough.
    """

    def __init__(
        self, folder: Path | str, *, seed: int = 0, rank: Share | None = None, mix: int = 64
    ) -> None:
        self.folder = local(folder)
        self.shards = read_index(self.folder)
        self.seed, self.rank, self.mix = seed, rank or Share(), max(1, mix)
        self.epoch = 0
        self._settings: FeatureSettings | None = None

    def __iter__(self) -> Iterator[tuple[Features, float]]:
        worker = get_worker_info()
        share = Share() if worker is None else Share(worker.id, worker.num_workers)
        mine, windows = self.deal(share)
        random = np.random.default_rng([self.seed, self.epoch, self.rank.index, share.index])
        stream = (packed for shard in mine for packed in self._read(shard))
        with tempfile.TemporaryDirectory(prefix="avtnet-") as folder:
            here = Path(folder) / "window.safetensors"
            for packed, _ in zip(_mixed(stream, self.mix, random), range(windows), strict=False):
                yield self._unpacked(packed, here)

    def deal(self, worker: Share) -> tuple[list[Shard], int]:
        """The shards of a loading worker of this process, and how many windows it yields.

        Raises:
            ClippingError: where there are fewer shards than workers of all processes.
        """
        count = self.rank.count * worker.count
        if len(self.shards) < count:
            raise ClippingError(
                f"{as_written(self.folder)}: {len(self.shards)} shards cannot be shared by {count} "
                "workers; pack smaller ones (--shard-mb) or take fewer workers"
            )
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.shards))
        parts = [[self.shards[index] for index in order[part::count]] for part in range(count)]
        windows = min(sum(shard.windows for shard in part) for part in parts)
        return parts[self.rank.index * worker.count + worker.index], windows

    def _read(self, shard: Shard) -> Iterator[Packed]:
        """The windows of a shard; it must hold as many as its index says."""
        count = 0
        for packed in read_shard(self.folder / shard.name):
            count += 1
            yield packed
        if count != shard.windows:
            raise FeatureError(
                f"{as_written(self.folder / shard.name)}: holds {count} windows, not the "
                f"{shard.windows} of its index; pack the features again"
            )

    def _unpacked(self, packed: Packed, here: Path) -> tuple[Features, float]:
        where = f"{as_written(self.folder)}: {packed.name}"
        if packed.seconds is None or not 0 <= packed.seconds <= WINDOW_SECONDS:
            raise FeatureError(f"{where}: has no label; pack with --labels")
        here.write_bytes(packed.features)
        features = load(here)
        self._settings = self._settings or features.settings
        if features.settings.decisive() != self._settings.decisive():
            raise FeatureError(f"{where}: made with other settings than the rest")
        return features, packed.seconds


def collate(items: list[tuple[Features, float]]) -> tuple[Batch, Tensor]:
    """A batch, and its targets (B,) as shares of the window in 0..1; for a DataLoader."""
    features, seconds = zip(*items, strict=True)
    return to_batch(features), to_targets(seconds)


def _mixed(stream: Iterator[Packed], mix: int, random: np.random.Generator) -> Iterator[Packed]:
    """The same windows, each swapped with one of the ``mix`` before it."""
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
