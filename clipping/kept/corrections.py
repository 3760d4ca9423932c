"""What a person said about a file: kept with when and how, and never overruled or forgotten.

Corrections lie in ``corrections.json`` of the cache's folder
(:mod:`clipping.kept.correction_file`), readable and editable. The last one of a label counts;
without spans it says that there is none. A file that was written anew (chapters put in) keeps its
corrections as long as it has its name and its length.
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
"""Seconds by which the lengths of a file and of its successor of the same name may differ."""
_MOST_KEPT = 100
"""Corrections of one file that are kept, old ones included, beside the last of each label."""


@dataclass(frozen=True)
class Correction:
    """A span of a file that a person has named, or that there is none of this label."""

    label: str
    start: float | None
    """Seconds of media time; None, as the end: there is no such span."""
    end: float | None
    by: str
    """How it was said: ``"command"``, ``"edited 01.avtnet.json"``."""
    when: str
    """ISO 8601, UTC."""


def corrections_of(path: Path, cache: Cache) -> tuple[Correction, ...]:
    """What counts of what was said about a file, in order of time, those that say "none" first.

    Raises:
        ClippingError: where the file, or what is kept, cannot be read; a person's words are not
            passed over because of a typing error.
    """
    said: list[Record] = []
    for folder in cache.lasting_folders(path):
        said += _records(read_corrections(folder / FILE), path, folder, cache)
    last = {each.label: each for each in sorted(said, key=lambda each: each.when)}
    found = [one for each in last.values() for one in _corrections(each)]
    return tuple(sorted(found, key=lambda one: (one.start or 0.0, one.end or 0.0, one.label)))


def correct(
    path: Path, cache: Cache, label: str, spans: Sequence[Span], by: str = BY_COMMAND
) -> None:
    """Say where the spans of a label are in a file; none of them: that there is none.

    Raises:
        ClippingError: for a span that is none of this file, or where it cannot be kept.
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
    """Take back what was said last (of a label); what was said before counts again.

    Returns:
        Whether there was something to take back.

    Raises:
        ClippingError: where it cannot be read or written.
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


def _corrections(said: Record) -> list[Correction]:
    spans: Sequence[tuple[float | None, float | None]] = said.spans or [(None, None)]
    return [Correction(said.label, *span, said.by, said.when) for span in spans]


def _change(
    path: Path,
    cache: Cache,
    duration: float,
    change: Callable[[list[Record]], list[Record]],
) -> None:
    """Change the records of a file in the first folder that takes it."""
    failure = None
    for folder in cache.lasting_folders(path):
        try:
            return _change_in(folder, path, cache, duration, change)
        except TableError:  # it is there, and what it says would be lost
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
        # An empty one where else those of a file of the same name would count.
        if records or any(each.name == who[0] for each in others):
            others.append(Entry(*who, duration, tuple(records)))
        write_corrections(file, others)  # the one that was changed last is the last


def _newest(records: Sequence[Record]) -> list[Record]:
    """Not all of a long history, but of each label what counts."""
    last = {each.label: index for index, each in enumerate(records)}
    first = len(records) - _MOST_KEPT
    return [
        each for index, each in enumerate(records) if index >= first or last[each.label] == index
    ]


def _without(records: Sequence[Record], last: Record) -> list[Record]:
    return [each for each in records if each != last]


def _records(entries: Sequence[Entry], path: Path, folder: Path, cache: Cache) -> list[Record]:
    """The records of a file: by who it is, else by its name, where it has the same length."""
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
