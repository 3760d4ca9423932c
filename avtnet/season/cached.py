"""Values that are worked out of files once, and taken from the cache the next time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clipping.errors import ClippingError
from clipping.kept.cache import Cache
from clipping.repeats.identities import Match, Stretch


def cached(
    cache: Cache, paths: Sequence[Path], name: str, key: object, make: Callable[[], Any]
) -> Any:
    """Return a small JSON value about files: the kept one, or a new one, which is then kept.

    Args:
        paths: the files that it depends on; any change of one makes it again.
        name: its subject (``"changes"``).
        key: everything else that it depends on, as JSON values.

    Raises:
        ClippingError: where a file can no longer be read.
    """
    others = [cache.identity(path).key for path in paths[1:]]
    whole = [others, key]
    value = cache.fact(paths[0], name, whole)
    if value is None:
        value = make()
        cache.keep_fact(paths[0], name, value, whole)
    return value


def match_rows(matches: Sequence[Match]) -> list[list[Any]]:
    """Return matches of two files as JSON values."""
    return [
        [each.a.start, each.a.end, each.b.start, each.b.end, each.score, each.exact, each.by]
        for each in matches
    ]


def matches_of(a: int, b: int, rows: Any) -> list[Match]:
    """Return the matches of two files, by the files' numbers, from :func:`match_rows`.

    Raises:
        ClippingError: where the rows are none of ours.
    """
    try:
        return [
            Match(Stretch(a, float(s), float(e)), Stretch(b, float(t), float(f)), float(score),
                  bool(exact), "picture" if by == "picture" else "sound")
            for s, e, t, f, score, exact, by in rows
        ]  # fmt: skip
    except (TypeError, ValueError) as error:
        raise ClippingError(f"what the cache says of two files is damaged: {error}") from error
