"""Find a person's edits of the JSON that we wrote next to a file, and keep them as corrections.

The cache remembers a digest of the JSON and its spans as written. If the digest is another one
later, a person has edited it, and the spans that differ are corrections.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from clipping.errors import TableError
from clipping.formats import catalog
from clipping.kept.cache import Cache
from clipping.kept.correction_file import Span
from clipping.kept.corrections import Correction, correct, corrections_of
from clipping.media.probe import probe
from clipping.segments import Segment, Timeline
from clipping.text_files import read_text

_WRITTEN = "written timeline"
_SAME_TIME = 0.0005
"""Largest difference, in seconds, of two times that are equal: JSON keeps milliseconds."""
_SAME_CUT = 1.0
"""Largest difference, in seconds, between a file and the duration that its JSON names."""


def note_written(
    path: Path, cache: Cache, timeline: Timeline, padding: float = 0.0, file: Path | None = None
) -> None:
    """Remember the JSON about a file as it was written, so that a later edit can be seen.

    To be called after the file was written (:func:`clipping.formats.catalog.write_beside`).

    Args:
        timeline: the segments before padding.
        file: the JSON file; None: ``NAME.avtnet.json`` next to the media.

    Raises:
        ClippingError: if it cannot be read back.
    """
    file = _next_to(path) if file is None else file
    wide, plain = catalog.padded(timeline, padding).segments, timeline.segments
    if len(wide) != len(plain):  # negative padding has removed some
        plain = wide
    rows = [
        [at.label, at.start, at.end, true.start, true.end]
        for at, true in zip(wide, plain, strict=True)
    ]
    value = {"digest": _digest(read_text(file, catalog.MAX_BYTES)), "segments": rows}
    cache.keep_named_fact(path, f"{_WRITTEN} {_called(path, file)}", value)


def take_edits(path: Path, cache: Cache, file: Path | None = None) -> list[Correction]:
    """Keep a person's changes of our JSON about a file as corrections, and return them.

    Labels whose times are unchanged become no corrections, so they are searched again. An edit is
    taken once; if it is undone later, it stays undone. A JSON that we have not written is ignored.

    Args:
        file: as for :func:`note_written`.

    Raises:
        ClippingError: if the edit cannot be understood; writing the file again would lose it.
    """
    file = _next_to(path) if file is None else file
    name = f"{_WRITTEN} {_called(path, file)}"
    known = cache.named_fact(path, name)
    if known is None or not file.is_file():
        return []
    digest = _digest(read_text(file, catalog.MAX_BYTES, empty=True))
    if digest == known["digest"]:
        return []
    edited = catalog.read(file, "json")
    duration = probe(path).duration
    if edited.duration and abs(edited.duration - duration) > _SAME_CUT:
        raise TableError(
            f"{file}: was edited, for a file of {edited.duration:g} s; {path.name} has "
            f"{duration:g} s: correct its duration, or delete it"
        )
    written = [Segment(start, end, label) for label, start, end, *_ in known["segments"]]
    true = {
        (label, which): value
        for label, start, end, *plain in known["segments"]
        for which, value in zip((("start", start), ("end", end)), plain, strict=True)
    }
    taken: list[Correction] = []
    for label in sorted({each.label for each in (*written, *edited.segments)}):
        before, now = _spans(written, label), _spans(edited.segments, label)
        if _same(before, now):
            continue
        # An end that was not edited is kept without its padding.
        spans = [
            (
                true.get((label, ("start", start)), start),
                true.get((label, ("end", end)), end),
            )
            for start, end in now
        ]
        correct(path, cache, label, spans, by=f"edited {file.name}")
        taken += [each for each in corrections_of(path, cache) if each.label == label]
    rows = [[each.label, *(each.start, each.end) * 2] for each in edited.segments]
    cache.keep_named_fact(path, name, {"digest": digest, "segments": rows})
    return taken


def written_json(path: Path, name: str, folder: Path | None) -> Path:
    """Return the path to which ``locate --write json`` writes the JSON about a file.

    Args:
        name: the episode's name, with the folders below the one that was searched.
        folder: that of ``--write-to``; None: next to the media.
    """
    if folder is None:
        return _next_to(path)
    return folder / f"{name}{catalog.FORMATS['json'].suffix}"


def _next_to(path: Path) -> Path:
    return path.with_name(f"{path.stem}{catalog.FORMATS['json'].suffix}")


def _called(path: Path, file: Path) -> str:
    return file.name if file.parent == path.parent else str(file.absolute())


def _digest(content: str) -> str:
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _spans(segments: Sequence[Segment], label: str) -> list[Span]:
    return sorted((each.start, each.end) for each in segments if each.label == label)


def _same(before: Sequence[Span], now: Sequence[Span]) -> bool:
    return len(before) == len(now) and all(
        abs(one - other) <= _SAME_TIME
        for pair in zip(before, now, strict=True)
        for one, other in zip(*pair, strict=True)
    )
