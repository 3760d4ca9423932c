"""Finders: networks that can be asked about an episode, by the format of their checkpoints.

Adding a kind of network is one class (:class:`FinderClass`) and one row, here or in a plugin.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from avtnet.dense.window_answer import WindowAnswer
from avtnet.evidence import Candidate
from clipping.errors import CheckpointError, ConfigError
from clipping.extra import extra_imports
from clipping.plugins import Row, Table
from preprocess.episode import Episode
from preprocess.features import Features
from preprocess.settings import FeatureSettings

if TYPE_CHECKING:
    import torch

CLASSIC = "avtnet-checkpoint-1"
FINDERS = {
    CLASSIC: Row("avtnet.classic.finder:ClassicFinder", "the original's networks"),
    "avtnet-dense-1": Row("avtnet.dense.finder:DenseFinder", "AVTNetDense"),
}
"""By the field ``format`` of a checkpoint's metadata."""
TABLE = Table("format of checkpoints", "FINDERS", Row, FINDERS)
"""Those and the finders of plugins."""


class Finder(Protocol):
    """Loaded checkpoints of one format."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the networks."""

    @property
    def features(self) -> FeatureSettings:
        """The features that the networks take."""

    def check(self, window: Features) -> None:
        """See that a window is of the features that the networks take.

        Raises:
            FeatureError: naming the settings that differ.
        """

    def views(self, windows: Sequence[Features]) -> Sequence[Any]:
        """Return where the networks see the boundary of each window, for pictures of it.

        A :class:`~avtnet.classic.decode.Boundary` for each window; nothing if the networks know
        both ends.

        Raises:
            FeatureError: as :meth:`check`.
        """

    def candidates(
        self,
        windows: Sequence[Features],
        episode: Episode | None,
        views: Sequence[Any],
        trust: float,
    ) -> list[Candidate]:
        """Return what the networks say of an episode, as evidence.

        Args:
            windows: its first and last window, or those of them that are there.
            episode: all of its seconds, if they were made.
            views: as :meth:`views` returned them.
            trust: weight of the networks' confidence, 0..1.

        Raises:
            FeatureError: as :meth:`check`.
        """

    def answers(
        self, windows: Sequence[Path | Features], *, batch_size: int = 8
    ) -> list[WindowAnswer]:
        """Return the answer of the first network about each window.

        Raises:
            FeatureError: as :meth:`check`; or if a file is damaged.
            CheckpointError: if the weights are so large that an answer is no number.
        """


class FinderClass(Protocol):
    """The class that a row of ``FINDERS`` names."""

    def load(self, paths: Sequence[Path], device: torch.device | None = None) -> Finder:
        """Load checkpoints of this format; the device is torch's, None is the CPU.

        Raises:
            CheckpointError: if one cannot be used.
        """

    def check_file(self, path: Path) -> None:
        """See that a file is a checkpoint of this format; its weights are not read.

        Raises:
            CheckpointError: if it is not.
        """


def load_finders(paths: Sequence[Path], device: torch.device | None = None) -> tuple[Finder, ...]:
    """Load checkpoints of any format; those of one format make one finder.

    Raises:
        CheckpointError: if one cannot be used.
        ExtraMissing: if torch, which reads them, is not installed.
    """
    by_format: dict[str, list[Path]] = {}
    for path in _each_once(paths):
        by_format.setdefault(_format_of(path), []).append(path)
    order = [*FINDERS, *sorted(by_format.keys() - FINDERS)]
    wanted = [name for name in order if name in by_format]
    return tuple(
        _class_of(name, by_format[name][0]).load(by_format[name], device) for name in wanted
    )


def check_file(path: Path) -> None:
    """See that a file is a checkpoint of a known format.

    Raises:
        CheckpointError: if it is not.
        ExtraMissing: if torch, which reads it, is not installed.
    """
    _class_of(_format_of(path), path).check_file(path)


def _class_of(name: str, path: Path) -> FinderClass:
    try:
        with extra_imports():
            found: FinderClass = TABLE.load(name, TABLE.find(name).module)
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return found


def _format_of(path: Path) -> str:
    """Return the format of a checkpoint; the loader of ``CLASSIC`` refuses what is none."""
    if not path.exists():  # known without torch, too
        raise CheckpointError(f"{path}: there is no such file")
    with extra_imports():
        from clipping.learning.checkpoints import format_of
    return format_of(path) or CLASSIC


def _each_once(paths: Sequence[Path]) -> list[Path]:
    """Drop files that are named again, also through a link: the same network is no second vote."""
    first: dict[Path, Path] = {}
    for path in paths:
        first.setdefault(path.resolve(), path)
    return list(first.values())
