"""The settings of the generator of made-up episodes, and of the windows composed of its pieces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipping.errors import ConfigError

Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class SynthesizeConfig:
    """Make a labelled set of short, small episodes with openings and endings."""

    output: Path
    """Folder to make or to complete."""
    kind: Literal["dataset", "season", "varied"] = "dataset"
    """dataset: many series, boundaries drawn like the challenge's labels; season: one series,
    its opening moves a little, its ending stands at the same distance from the end; varied: many
    series of all manners, some without an opening or an ending."""
    episodes: int = 120
    """Number of episodes. A larger number keeps the episodes that exist."""
    seed: int = 0
    """Seed of the episodes; another seed gives other episodes."""
    series_episodes: int = 3
    """Episodes of a series in a dataset: they share songs, characters and credits."""
    size: str = "256x144"
    """Picture size, WIDTHxHEIGHT in pixels, both even."""
    rate: int = 6
    """Frames per second; boundaries lie on a frame."""
    duration: float = 400.0
    """Shortest episode in seconds. Below 400 s all times shrink in proportion."""
    duration_spread: float = 20.0
    """Seconds by which the longest episode may be longer than the shortest."""
    split: Split = "train"
    """varied: split of the songs, voices, pictures and fonts; splits share none of them."""
    material: Path | None = None
    """varied: a folder with music/, speech/, pictures/ and fonts/, besides made-up material."""
    music: Path | None = None
    """varied: a folder of music, in place of --material's."""
    speech: Path | None = None
    """varied: a folder with a folder of recordings for each speaker or language."""
    pictures: Path | None = None
    """varied: a folder of photos and paintings to stand in backgrounds."""
    fonts: Path | None = None
    """varied: a folder of fonts."""
    workers: int | None = None
    """Number of processes; absent, one for each core; 0 uses no other process. The episodes do not
    depend on it."""

    def __post_init__(self) -> None:
        _check_range("episodes", self.episodes, 1, 100_000)
        _check_range("seed", self.seed, 0, 2**63)
        _check_range("series_episodes", self.series_episodes, 1, 1000)
        _check_range("rate", self.rate, 1, 60)
        _check_range("duration", self.duration, 10, 7200)
        _check_range("duration_spread", self.duration_spread, 0, 3600)
        _check_range("workers", self.workers or 0, 0, 256)
        width, height = self.picture_size
        if width % 2 or height % 2 or not (96 <= width <= 1920 and 64 <= height <= 1080):
            raise ConfigError(
                f"size: even numbers from 96x64 to 1920x1080 are possible, got {self.size}"
            )

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", self.size)
        if match is None:
            raise ConfigError(f"size: two numbers like 256x144 are expected, got {self.size!r}")
        return int(match[1]), int(match[2])


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name}: from {low} to {high} is possible, got {value}")


@dataclass(frozen=True)
class ComposeConfig:
    """Compose windows of rendered pieces, as a folder that avtnet train takes as --data-root.

    Half of the windows are first ones, with the end of an opening, and half are last ones, with the
    start of an ending. Thumbnails are 33x44, half of the usual size.
    """

    library: Path
    """Folder of the rendered pieces (avtnet dense_train --library, or library/ of its run)."""
    output: Path
    """Folder to make or to complete: features/, labels.txt, and songs.csv for --song-loss."""
    windows: int = 4000
    """Number of windows. A larger number keeps the windows that exist."""
    split: Split = "train"
    """Split of the pieces: train or val."""
    shards: int | None = None
    """Number of files of pieces to use; absent, all."""
    seed: int = 0
    """Seed of the windows; another seed gives other windows."""
    mirrored: float = 0.5
    """Share of windows whose pictures and text are mirrored; without any, networks learn on which
    side these pieces have their text."""
    spliced: float = 0.0
    """Share of songs that keep only their first and last seconds, with parts of other songs
    between; networks cannot learn by heart how long such a song lasts."""
    workers: int = 1
    """Number of processes; the windows do not depend on it."""

    def __post_init__(self) -> None:
        for name, low, high in (("windows", 1, 10_000_000), ("workers", 1, 256)):
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name} is {low} to {high}, got {getattr(self, name)}")
        for name in ("mirrored", "spliced"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is a share, 0 to 1, got {getattr(self, name)}")
