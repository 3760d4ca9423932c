"""Feature files and labels → batches of tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from clipping.errors import ClippingError, FeatureError
from clipping.formats.tables import read_timelines
from clipping.windows import WINDOW_SECONDS, WindowId, read_labels
from preprocess.features import KINDS, Features
from preprocess.features import load as load_features
from preprocess.settings import FeatureSettings

# ImageNet's, per channel, on 0..1 (--if-normal)
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Window:
    """A labelled window on disk."""

    id: WindowId
    seconds: float
    """The boundary: seconds after the window's start."""
    path: Path
    """Its feature file."""
    song: tuple[float, float] | None = None
    """The part of it that is the song of its side, in seconds of the window, if that was asked
    for and is known."""


class Batch(NamedTuple):
    """B windows as a network's inputs; frames stay bytes until they are on the device."""

    mfcc: Tensor
    """float32 (B, 20, 8616)"""
    frames: Tensor
    """uint8 (B, 200, 3, 66, 88)"""
    text: Tensor
    """bool (B, 200, 27, 36)"""

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device."""
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))

    def inputs(self, *, if_normal: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Return the networks' inputs: mfcc, frames scaled as in training, text as numbers."""
        return self.mfcc, scale_frames(self.frames, if_normal=if_normal), self.text.float()

    def reversed(self, which: Tensor) -> Batch:
        """The windows of ``which`` (B,) bool backwards in time, the others as they are."""
        return Batch(
            torch.where(which[:, None, None], self.mfcc.flip(2), self.mfcc),
            torch.where(which[:, None, None, None, None], self.frames.flip(1), self.frames),
            torch.where(which[:, None, None, None], self.text.flip(1), self.text),
        )


def to_batch(features: Sequence[Features]) -> Batch:
    """Stack windows of the same settings."""
    return Batch(
        torch.from_numpy(np.stack([window.mfcc for window in features])),
        torch.from_numpy(np.stack([window.frames for window in features])),
        torch.from_numpy(np.stack([window.text for window in features])),
    )


def to_targets(seconds: Sequence[float]) -> Tensor:
    """Return boundaries, in seconds of their windows, as shares of the window (B,), 0..1."""
    return (torch.tensor(seconds, dtype=torch.float32) / WINDOW_SECONDS).clamp(0, 1)


def from_either_end(positions: Tensor, backwards: Tensor) -> Tensor:
    """Return shares of the window (B,), those of backward windows (B,) from the other end."""
    return torch.where(backwards, 1 - positions, positions)


def scale_frames(frames: Tensor, *, if_normal: bool) -> Tensor:
    """uint8 (…, 3, h, w) → float32: 0..1, or by ImageNet's mean and deviation."""
    scaled = frames.float() / 255
    if not if_normal:
        return scaled
    mean, deviation = scaled.new_tensor([MEAN, DEVIATION]).view(2, 3, 1, 1)
    return (scaled - mean) / deviation


def read_windows(data_root: Path, *, songs: bool = False) -> tuple[list[Window], list[WindowId]]:
    """Return the labelled windows below ``data_root``, in order, and those without files.

    Args:
        songs: read the folder's songs.csv, too.

    Raises:
        ClippingError: where labels.txt, or songs.csv, is missing or wrong, or no window has
            features.
    """
    labels_path, folder = data_root / "labels.txt", data_root / "features"
    if not labels_path.is_file():
        raise ClippingError(
            f"{labels_path}: not there; a data folder holds labels.txt (rows 'NAME_start 60.51') "
            "and features/ (python -m preprocess VIDEOS -o features)"
        )
    whole = read_songs(data_root / "songs.csv") if songs else {}
    windows, missing = [], []
    for window_id, seconds in read_labels(labels_path).items():
        path = folder / f"{window_id}.safetensors"
        if path.is_file():
            windows.append(Window(window_id, seconds, path, whole.get(str(window_id))))
        else:
            missing.append(window_id)
    if not windows:
        raise ClippingError(
            f"{folder}: no features for any of the {len(missing)} labels in {labels_path}; "
            f"make them: python -m preprocess VIDEOS -o {folder}"
        )
    return windows, missing


def read_songs(path: Path) -> dict[str, tuple[float, float]]:
    """Return the part of each window that is its side's song, in its seconds, by its id.

    A CSV of segments as ``locate`` writes them (:func:`clipping.formats.tables.read_timelines`),
    with windows for files: ``NAME_start,opening,12.5,102.4``, ``NAME_end,ending,61.2,150.0``.

    Raises:
        ClippingError: where it is not there, is no such table, or tells of no song.
    """
    if not path.is_file():
        raise ClippingError(
            f"{path}: not there; below file,label,start,end it says where the songs lie in the "
            "windows (NAME_start,opening,12.5,102.4), as avtnet.compose writes it; without it "
            "train with --song-loss 0"
        )
    songs = {}
    for timeline in read_timelines(path):
        kind = "ending" if timeline.source.endswith("_end") else "opening"
        for segment in timeline.segments:
            if segment.label == kind:
                songs[timeline.source] = (segment.start, segment.end)
    if not songs:
        raise ClippingError(f"{path}: no opening of a NAME_start, no ending of a NAME_end in it")
    return songs


def split(windows: Sequence[Window], data_seed: int) -> tuple[list[Window], list[Window]]:
    """Return training and validation windows: of the list, rotated, every 7th validates."""
    turn = data_seed % 7
    turned = [*windows[turn:], *windows[:turn]]
    train = [window for index, window in enumerate(turned) if index % 7]
    return train, turned[::7]


class WindowDataset:
    """Labelled windows on disk, read into batches.

    All must have been made with the same settings (``settings``, or those of the first). Where
    ``reverse_ends``, those of the last seconds come backwards in time, and so do their targets.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        settings: FeatureSettings | None = None,
        *,
        reverse_ends: bool = False,
    ) -> None:
        self.windows = list(windows)
        self.reverse_ends = reverse_ends
        self.settings = settings or load_features(windows[0].path).settings

    def __len__(self) -> int:
        return len(self.windows)

    def read(self, indices: Sequence[int]) -> tuple[Batch, Tensor]:
        """A batch of windows and their targets."""
        batch = self.room(len(indices))
        for row, index in enumerate(indices):
            self.read_into(batch, row, index)
        return batch, self.targets(indices)

    def room(self, count: int) -> Batch:
        """Return a batch yet to be filled."""
        return new_batch(self.settings, count)

    def read_into(self, batch: Batch, row: int, index: int) -> None:
        """Fill one row of a batch; threads may fill several at once.

        Raises:
            FeatureError: the file is damaged, or was made with other settings.
        """
        path = self.windows[index].path
        read_row(batch, row, path, self.settings, backwards=self._backwards(index))

    def targets(self, indices: Sequence[int]) -> Tensor:
        """Return the true positions (B,): shares of the window in 0..1."""
        seconds = [self.windows[index].seconds for index in indices]
        backwards = [self._backwards(index) for index in indices]
        return from_either_end(to_targets(seconds), torch.tensor(backwards))

    def songs(self, indices: Sequence[int]) -> Tensor:
        """Return start and end of the song of each window's side: (B, 2), shares of the window in
        the direction in which the network gets it; NaN where the song is not known."""
        spans = [self.windows[index].song or (math.nan, math.nan) for index in indices]
        shares = (torch.tensor(spans, dtype=torch.float32) / WINDOW_SECONDS).clamp(0, 1)
        backwards = torch.tensor([self._backwards(index) for index in indices])[:, None]
        return torch.where(backwards, 1 - shares.flip(1), shares)

    def _backwards(self, index: int) -> bool:
        return self.reverse_ends and self.windows[index].id.side == "end"


def new_batch(settings: FeatureSettings, count: int) -> Batch:
    """Return a batch of so many windows, yet to be filled."""
    # By numpy, which asks for large pages: 4 ms instead of 26 for 16 windows' frames.
    shapes = settings.shapes
    arrays = {key: np.empty((count, *shapes[key]), kind) for key, kind in KINDS.items()}
    return Batch(**{key: torch.from_numpy(array) for key, array in arrays.items()})


def read_row(
    batch: Batch, row: int, path: Path, settings: FeatureSettings, *, backwards: bool
) -> None:
    """Read a feature file into a row of a batch, backwards in time if asked for.

    Raises:
        FeatureError: the file is damaged, or was made with other settings.
    """
    into = {key: tensor[row].numpy() for key, tensor in batch._asdict().items()}
    features = load_features(path, into)
    if features.settings.decisive() != settings.decisive():
        raise FeatureError(
            f"{path}: made with other settings than the rest; make them all the same way "
            "(python -m preprocess remakes what differs)"
        )
    if backwards:
        one = Batch(*(tensor[row : row + 1] for tensor in batch))
        for tensor, turned in zip(one, one.reversed(torch.tensor([True])), strict=True):
            tensor.copy_(turned)


class EpochBatches:
    """The batches of one epoch as numbers of windows, for one of several processes.

    The order depends on seed and epoch only, so an interrupted epoch can go on where it stopped
    and a batch holds the same windows however many processes share it; their shares differ by one
    window at most. The last windows that do not fill a batch are left out of this epoch (another
    order leaves out others).
    """

    def __init__(
        self, count: int, batch_size: int, *, seed: int, epoch: int, rank: int = 0, ranks: int = 1
    ) -> None:
        order = np.random.default_rng([seed, epoch]).permutation(count)
        full = count // batch_size
        if not full:  # fewer windows than a batch: they are the batch
            batch_size, full = count, 1
        if batch_size < ranks:
            raise ClippingError(f"{count} windows cannot be shared by {ranks} processes")
        batches = order[: full * batch_size].reshape(full, batch_size)
        self.batches: list[list[int]] = batches[:, rank::ranks].tolist()
        self.start = 0
        """Batches that were done before."""

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches[self.start :])

    def __len__(self) -> int:
        return len(self.batches) - self.start
