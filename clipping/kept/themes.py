"""Remembered openings and endings, and where they are in other files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clipping.errors import FeatureError
from clipping.kept.cache_files import data_of_user
from clipping.kept.theme_file import SUFFIX, Theme, load_theme
from clipping.repeats.file_fingerprint import FileFingerprint, SharedSettings
from clipping.repeats.shared import Shared, compare

LEAST_SHARE = 0.5
"""Of a theme that must be in a file: less of it is a quotation."""

_SNAP_SECONDS = 2.0
"""Where no more than this is missing at an end (a fade, silence, talk over it), the theme is there
whole."""

SHORTEST_PIECE = 4.0
"""Seconds between two cuts of a release from which the piece tells where its times went."""


@dataclass(frozen=True)
class FoundTheme:
    """A theme in a file, in seconds of media time."""

    theme: Theme
    start: float
    end: float
    score: float
    """Agreement of the fingerprints, 0 as strangers to 1 the same."""
    exact: bool
    """Whether the ends are those of the sound's own samples."""
    share: float
    """How much of the theme is there: 1 is all of it."""


def library_folder() -> Path:
    """Where themes are kept when no other folder is named."""
    return data_of_user() / "themes"


def read_library(folder: Path) -> tuple[list[Theme], list[str]]:
    """All themes of a library by name, and what is wrong with files that are none."""
    themes, problems = [], []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            themes.append(load_theme(path))
        except FeatureError as error:
            problems.append(str(error))
    return sorted(themes, key=lambda theme: theme.name), problems


def find_themes(
    fingerprint: FileFingerprint, themes: Sequence[Theme], settings: SharedSettings | None = None
) -> list[FoundTheme]:
    """Where themes are in a file, in order of time; of several at one place the best.

    A theme is found wherever it lies, as often as it is there, and whole: where up to 2 s at
    an end are too quiet or talked over, its remembered length tells where it ends.

    Args:
        settings: how to compare; ``shortest`` is of no matter, half of a theme must be there.

    Raises:
        MediaError: where the file can no longer be read.
    """
    settings = settings or SharedSettings()
    found: list[FoundTheme] = []
    for theme in themes:
        shortest = max(2.0, LEAST_SHARE * theme.duration)
        for stretch in compare(
            theme.fingerprint, fingerprint, replace(settings, shortest=shortest)
        ):
            placed = _whole(theme, stretch, fingerprint.duration)
            if placed.share >= LEAST_SHARE:
                found.append(placed)
    found.sort(key=lambda each: (-(each.end - each.start) * each.score, each.start))
    kept: list[FoundTheme] = []
    for each in found:
        if not any(_same_place(each, better) for better in kept):
            kept.append(each)
    return sorted(kept, key=lambda each: each.start)


def _whole(theme: Theme, shared: Shared, duration: float) -> FoundTheme:
    before = shared.a.segment.start
    behind = theme.duration - shared.a.segment.end
    start, end = shared.b.segment.start, shared.b.segment.end
    start = max(0.0, start - before) if before <= _SNAP_SECONDS else start
    end = min(duration, end + behind) if behind <= _SNAP_SECONDS else end
    share = min(1.0, round((end - start) / theme.duration, 6))
    return FoundTheme(theme, start, end, shared.score, shared.exact, share)


def _same_place(one: FoundTheme, other: FoundTheme) -> bool:
    """Whether most of the shorter one lies inside the other."""
    both = min(one.end, other.end) - max(one.start, other.start)
    return both > 0.5 * min(one.end - one.start, other.end - other.start)
