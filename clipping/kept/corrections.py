"""A person's corrections of a file: kept with time and origin, never overruled by a program.

Corrections are in ``corrections.json`` of the cache's folder
(:mod:`clipping.kept.correction_file`), which can be read and edited. The last correction of a label
counts; one without spans says that there is none. A file that was written again (chapters put in)
keeps its corrections if its name and its length are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clipping.errors import ClippingError, MediaError, TableError
from clipping.kept.cache import Cache
from clipping.kept.correction_file import (
    FILE,
    Entry,
    Record,
    Span,
    alone,
    read_corrections,
    write_corrections,
)
from clipping.media.probe import probe

BY_COMMAND = "command"
_SAME_LENGTH = 0.1
"""Largest difference in seconds between the length of a file and of its rewritten version."""
_MOST_KEPT = 100
"""Most corrections of one file that are kept, besides the last one of each label."""


@dataclass(frozen=True)
class Correction:
    """A span that a person has given a label; without times: the file has no such span."""

    label: str
    start: float | None
    """Seconds of media time; None, like ``end``, if there is no such span."""
    end: float | None
    by: str
    """Way in which it was made: ``"command"``, ``"edited 01.avtnet.json"``."""
    when: str
    """ISO 8601, UTC."""


def corrections_of(path: Path, cache: Cache) -> tuple[Correction, ...]:
    """Return the corrections of a file that count, in order of time; "none" comes first.

    Raises:
        ClippingError: if the file, or the file of corrections, cannot be read. A typing error in it
            is reported, because a person's corrections must not be ignored silently.
    """
    records: list[Record] = []
    for folder in cache.lasting_folders(path):
        records += _records(read_corrections(folder / FILE), path, folder, cache)
    last = {each.label: each for each in sorted(records, key=lambda each: each.when)}
    found = [one for each in last.values() for one in _corrections(each)]
    return tuple(sorted(found, key=lambda one: (one.start or 0.0, one.end or 0.0, one.label)))


def correct(
    path: Path, cache: Cache, label: str, spans: Sequence[Span], by: str = BY_COMMAND
) -> None:
    """Keep a correction: the spans of a label in a file, or none if the file has no such span.

    Raises:
        ClippingError: if a span is not within the file, or the correction cannot be written.
    """
    duration = probe(path).duration
    kept = []
    for start, end in sorted(spans):
        if not (0 <= start < end <= duration + 1 and start < duration):
            raise ClippingError(
                f"{path}: {label} from {start:g} to {end:g} is no span of a file of "
                f"{duration:.3f} s"
            )
        kept.append((start, min(end, duration)))
    when = datetime.now(UTC).isoformat(timespec="milliseconds")
    record = Record(label, tuple(kept), by, when)
    _change(path, cache, duration, lambda records: [*records, record])


def undo(path: Path, cache: Cache, label: str | None = None) -> bool:
    """Remove the last correction (of a label); the one before counts again.

    Returns:
        True if there was a correction to remove.

    Raises:
        ClippingError: if the corrections cannot be read or written.
    """
    found = [
        (record.when, folder, record)
        for folder in cache.lasting_folders(path)
        for record in _records(read_corrections(folder / FILE), path, folder, cache)
        if label in (None, record.label)
    ]
    if not found:
        return False
    _, folder, last = sorted(found, key=lambda each: each[0])[-1]
    _change_in(folder, path, cache, probe(path).duration, lambda all_: _without(all_, last))
    return True


def _corrections(record: Record) -> list[Correction]:
    spans: Sequence[tuple[float | None, float | None]] = record.spans or [(None, None)]
    return [Correction(record.label, *span, record.by, record.when) for span in spans]


def _change(
    path: Path,
    cache: Cache,
    duration: float,
    change: Callable[[list[Record]], list[Record]],
) -> None:
    """Change the records of a file in the first of its folders that can be written."""
    failure = None
    for folder in cache.lasting_folders(path):
        try:
            return _change_in(folder, path, cache, duration, change)
        except TableError:  # the file exists and is damaged: writing would lose its contents
            raise
        except ClippingError as error:
            failure = failure or error
    if failure is not None:
        raise failure


def _change_in(
    folder: Path,
    path: Path,
    cache: Cache,
    duration: float,
    change: Callable[[list[Record]], list[Record]],
) -> None:
    file = folder / FILE
    with alone(folder):
        entries = read_corrections(file)
        identity = cache.identity(path)
        records = _newest(change(_records(entries, path, folder, cache)))
        who = cache.called(path, folder), identity.size_bytes, identity.digest
        others = [each for each in entries if each.digest != identity.digest]
        # An empty entry stays if another file has this name: its corrections would count else.
        if records or any(each.name == who[0] for each in others):
            others.append(Entry(*who, duration, tuple(records)))
        write_corrections(file, others)  # the entry that was changed last stands last


def _newest(records: Sequence[Record]) -> list[Record]:
    """Return the newest records, and always the last one of each label."""
    last = {each.label: index for index, each in enumerate(records)}
    first = len(records) - _MOST_KEPT
    return [
        each for index, each in enumerate(records) if index >= first or last[each.label] == index
    ]


def _without(records: Sequence[Record], last: Record) -> list[Record]:
    return [each for each in records if each != last]


def _records(entries: Sequence[Entry], path: Path, folder: Path, cache: Cache) -> list[Record]:
    """Return the records of a file: by its identity, else by its name and length."""
    digest = cache.identity(path).digest
    for each in entries:
        if each.digest == digest:
            return list(each.records)
    name = cache.called(path, folder)
    named = [each for each in entries if each.name == name]
    if not named:
        return []
    try:
        duration = probe(path).duration
    except MediaError:
        return []
    alike = [each for each in named if abs(each.duration - duration) <= _SAME_LENGTH]
    return list(alike[-1].records) if alike else []
