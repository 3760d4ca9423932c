"""Divide files into seasons by their folder, and by S01E02 in their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_NUMBERED = (
    re.compile(r"(?P<show>.*?)[\s._-]*\bs(?P<season>\d{1,2})[\s._-]*e(?P<episode>\d{1,4})", re.I),
    re.compile(r"(?P<show>.*?)[\s._-]*\b(?P<season>\d{1,2})x(?P<episode>\d{2,4})\b", re.I),
)


def seasons(media: Mapping[str, Path]) -> list[dict[str, Path]]:
    """Divide media into seasons, the episodes of each in their order.

    Files of one folder are one season, unless their names hold different shows or seasons
    (``Show S01E02``, ``Show 1x02``). Names that hold none are one season of their own.

    Args:
        media: paths by name, as :func:`clipping.files.find_media` gives them.
    """
    found: dict[tuple[str, str, int], dict[str, Path]] = {}
    for name, path in media.items():
        show, season, _ = _numbers(path.stem)
        found.setdefault((str(path.parent), show, season), {})[name] = path
    return [
        dict(sorted(files.items(), key=lambda item: _order(item[1])))
        for _, files in sorted(found.items())
    ]


def _numbers(stem: str) -> tuple[str, int, int]:
    """Return (show, season, episode) of a file name; ("", -1, -1) if it holds none."""
    for pattern in _NUMBERED:
        if match := pattern.search(stem):
            show = " ".join(re.split(r"[\s._-]+", match["show"].casefold())).strip()
            return show, int(match["season"]), int(match["episode"])
    return "", -1, -1


def _order(path: Path) -> tuple[int, list[tuple[int, str]]]:
    """Sort key: by episode, then by name with numbers by their value (``2`` before ``10``)."""
    parts = re.split(r"(\d+)", path.name.casefold())
    natural = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return _numbers(path.stem)[2], natural
