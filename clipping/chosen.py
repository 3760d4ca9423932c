"""Which segments of which files a command line means: ``cut`` and ``reel`` share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clipping.errors import ClippingError
from clipping.files import find_media
from clipping.segments import Segment, Timeline, parse_time
from clipping.tables import read_timelines


@dataclass(frozen=True)
class Choice:
    """The segments of one file that a user chose; ``error`` says why there are none."""

    path: Path
    name: str
    """What results are called after; unique among the files of one call, may hold ``/``."""
    segments: tuple[Segment, ...] = ()
    error: str | None = None


def choose(
    files: Sequence[str], *, start: str, end: str, segments: Path | None, labels: str
) -> list[Choice]:
    """The choice of each file, in their order.

    Args:
        files: media files and folders; may be empty where ``segments`` names them.
        start: a time (``1:23.5``); ``""`` is the file's start.
        end: a time; ``""`` is the file's end.
        segments: a table of timelines (:func:`clipping.tables.read_timelines`).
        labels: the labels wanted, with commas between; ``""`` is all.

    Raises:
        ClippingError: for a wrong time, table or path, and where both or none are given.
    """
    if segments is not None and (start or end):
        raise ClippingError("give --segments or --start and --end, not both")
    if segments is not None:
        wanted = {label.strip() for label in labels.split(",") if label.strip()}
        return _from_table(files, segments, wanted)
    if not (start or end):
        raise ClippingError("say what to take: --start and --end (1:23.5), or --segments TABLE")
    if labels:
        raise ClippingError("--labels chooses among the segments of a table; give --segments too")
    if not files:
        raise ClippingError("name at least one media file")
    begin = _time("--start", start) if start else 0.0
    stop = _time("--end", end) if end else None
    return [_from_times(path, name, begin, stop) for name, path in find_media(files).items()]


def _from_times(path: Path, name: str, begin: float, stop: float | None) -> Choice:
    from clipping.media import probe

    try:
        until = probe(path).duration if stop is None else stop
        if until <= begin:
            raise ClippingError(f"{path}: the end ({until:.3f} s) is not after {begin:.3f} s")
        return Choice(path, name, (Segment(begin, until),))
    except ClippingError as error:
        return Choice(path, name, error=str(error))


def _from_table(files: Sequence[str], table: Path, wanted: set[str]) -> list[Choice]:
    timelines = read_timelines(table)
    known = {segment.label for timeline in timelines for segment in timeline.segments}
    if wanted - known:
        raise ClippingError(
            f"{table}: no segment is labelled {', '.join(sorted(wanted - known))}; "
            f"there are {', '.join(sorted(known)) or 'none'}"
        )
    if files:
        found = find_media(files)
        rows = [(path, name, _row_of(path, timelines)) for name, path in found.items()]
    else:
        places = {id(timeline): _place(timeline, table) for timeline in timelines}
        rows = []
        for timeline in timelines:
            path = places[id(timeline)]
            rows.append((path, path.stem, timeline))
        twins = {name for _, name, _ in rows if sum(name == other for _, other, _ in rows) > 1}
        rows = [
            (path, f"{path.parent.name}/{name}" if name in twins else name, timeline)
            for path, name, timeline in rows
        ]
    return [_from_row(path, name, timeline, table, wanted) for path, name, timeline in rows]


def _from_row(
    path: Path, name: str, timeline: Timeline | None, table: Path, wanted: set[str]
) -> Choice:
    if timeline is None:
        return Choice(path, name, error=f"{path}: {table} has no row for this file")
    if timeline.error is not None:
        return Choice(path, name, error=f"{path}: {table} says: {timeline.error}")
    chosen = [each for each in timeline.segments if not wanted or each.label in wanted]
    if not chosen:
        return Choice(path, name, error=f"{path}: {table} has no such segment for this file")
    return Choice(path, name, tuple(chosen))


def _row_of(path: Path, timelines: Sequence[Timeline]) -> Timeline | None:
    """The row whose file is this one: by path, else by a name that is unique."""
    for timeline in timelines:
        if Path(timeline.source) == path or Path(timeline.source).resolve() == path.resolve():
            return timeline
    same = [each for each in timelines if Path(each.source).name == path.name]
    return same[0] if len(same) == 1 else None


def _place(timeline: Timeline, table: Path) -> Path:
    """Where a row's file is: as written, else beside the table."""
    path = Path(timeline.source)
    beside = table.parent / path
    return beside if not path.exists() and beside.exists() else path


def _time(option: str, text: str) -> float:
    try:
        return parse_time(text)
    except ValueError as error:
        raise ClippingError(f"{option}: {error}") from error
