"""Find the openings and endings of the theme library in files."""

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
"""Smallest share of a theme that must be in a file; less of it is a quotation."""

_SNAP_SECONDS = 2.0
"""Most seconds that may be missing at an end (a fade, silence, speech over it) of a whole theme."""

SHORTEST_PIECE = 4.0
"""Seconds of the shortest stretch that two releases share and that times are moved by."""


@dataclass(frozen=True)
class FoundTheme:
    """A theme in a file, in seconds of media time."""

    theme: Theme
    start: float
    end: float
    score: float
    """Agreement of the fingerprints: 0 as of unrelated sounds, 1 equal."""
    exact: bool
    """True if the ends were placed to the sample of the sound."""
    share: float
    """Share of the theme that is in the file, 0..1."""


def library_folder() -> Path:
    """Return the user's own folder of themes."""
    return data_of_user() / "themes"


def read_library(folder: Path) -> tuple[list[Theme], list[str]]:
    """Return the themes of a library in order of name, and messages about damaged files."""
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
    """Return the places of themes in a file, in order of time; of several at one place the best.

    A theme may be anywhere in the file, and more than once. If up to 2 s at an end are too quiet or
    have speech over them, the theme's own length decides the end.

    Args:
        settings: of the comparison; ``shortest`` is not used: half of a theme must be there.

    Raises:
        MediaError: if the file can no longer be read.
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
    """Return a shared stretch, lengthened to all of the theme if little is missing."""
    before = shared.a.segment.start
    behind = theme.duration - shared.a.segment.end
    start, end = shared.b.segment.start, shared.b.segment.end
    start = max(0.0, start - before) if before <= _SNAP_SECONDS else start
    end = min(duration, end + behind) if behind <= _SNAP_SECONDS else end
    share = min(1.0, round((end - start) / theme.duration, 6))
    return FoundTheme(theme, start, end, shared.score, shared.exact, share)


def _same_place(one: FoundTheme, other: FoundTheme) -> bool:
    """Return whether most of the shorter one lies inside the other."""
    both = min(one.end, other.end) - max(one.start, other.start)
    return both > 0.5 * min(one.end - one.start, other.end - other.start)
