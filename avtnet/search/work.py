"""The items of a search, and the work that is done on each by a worker.

A file is an item: its sound is turned into a fingerprint, which goes into the cache. Then its
season is one: all comparisons. Then, where networks are asked, the features of a file are one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from avtnet.season.pictures import whole_file
from avtnet.season.repetition import SOUND
from avtnet.season.stages import EpisodeFacts, SeasonOptions, season_candidates
from clipping.errors import ClippingError
from clipping.kept.cache import Cache
from clipping.kept.theme_file import Theme
from clipping.media.probe import probe
from preprocess.batch.tasks import FeatureTask, make


@dataclass(frozen=True)
class FileItem:
    """A file of a season, whose fingerprints are wanted in the cache."""

    season: int
    number: int
    """Its place among the files of its season."""
    path: Path


@dataclass(frozen=True)
class SeasonItem:
    """A season whose files were listened to."""

    season: int
    files: Mapping[str, Path]
    silent: Mapping[int, str] = field(default_factory=dict)
    """Files over which workers died, or whose machine was lost each time, and what was said."""
    careful: bool = False
    """Leave the pictures alone: workers died over this season."""


@dataclass(frozen=True)
class KnownSeason:
    """A season in which nothing has changed: no item for a worker."""

    season: int
    facts: Sequence[EpisodeFacts]


Item = FileItem | SeasonItem | KnownSeason | FeatureTask


@dataclass(frozen=True)
class FileReport:
    """The outcome of a :class:`FileItem`."""

    error: str | None = None
    """The reason why the file cannot be read."""
    notes: tuple[str, ...] = ()
    """Notes of the cache for the user."""


@dataclass(frozen=True)
class SeasonReport:
    """The outcome of a season."""

    facts: Sequence[EpisodeFacts]
    notes: tuple[str, ...] = ()
    """Notes of the cache for the user."""


@dataclass(frozen=True)
class Worker:
    """The function that is applied to the items; a worker is handed it once."""

    cache: Path | None
    rescan: bool
    options: SeasonOptions
    themes: tuple[Theme, ...] = ()

    def __call__(self, item: Item) -> Any:
        """Return a FileReport, a SeasonReport, or the result of making features."""
        if isinstance(item, FileItem):
            return self._listen(item)
        if isinstance(item, SeasonItem):
            return self._compare(item)
        assert isinstance(item, FeatureTask)
        return make(item)

    def _listen(self, item: FileItem) -> FileReport:
        """Make what is compared of a file, unless the cache has it."""
        try:
            info = probe(item.path)
        except ClippingError as error:
            return FileReport(str(error))
        cache = Cache(self.cache, fresh=self.rescan)
        wanted = [replace(SOUND, audio=self.options.audio)]
        if self.options.pictures == "always":
            wanted.append(whole_file(info.duration))
        for settings in wanted if info.duration > 0 else ():
            try:
                cache.fingerprint(item.path, settings)
            except ClippingError:
                continue  # the season says so, with all that it cannot use
        return FileReport(notes=cache.notes)

    def _compare(self, item: SeasonItem) -> SeasonReport:
        cache = Cache(self.cache, fresh=self.rescan)
        options = replace(self.options, careful=item.careful)
        facts = season_candidates(
            item.files,
            cache,
            options,
            themes=self.themes,
            silent=item.silent,
            fingerprint_cache=Cache(self.cache),  # they were made a moment ago, with --rescan too
        )
        return SeasonReport(facts, cache.notes)
