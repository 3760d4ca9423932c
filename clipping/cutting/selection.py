"""Which segments of which files a command line means: ``cut`` and ``reel`` share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipping.errors import ClippingError, ConfigError
from clipping.files import find_media
from clipping.formats.tables import read_timelines
from clipping.segments import Segment, Timeline, parse_time


@dataclass(frozen=True)
class Selection:
    """The segments of one file that a user chose; ``error`` says why there are none."""

    path: Path
    name: str
    """What results are called after; unique among the files of one call, may hold ``/``."""
    segments: tuple[Segment, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class SelectionConfig:
    """What a user chooses; the settings that ``cut`` and ``reel`` have in common."""

    files: tuple[str, ...] = field(
        default=(),
        metadata={"help": "media files or folders; may be left out where --segments names them"},
    )
    start: str = ""
    """where the segment of each file starts: 83.5 or 1:23.5; left out: where the file does"""
    end: str = ""
    """where it ends; left out: where the file does"""
    segments: Path | None = None
    """a table of segments (JSON or CSV, as avtnet locate writes it) in place of --start, --end"""
    labels: str = ""
    """the labels to take from the table, as in opening,ending; left out: all"""

    def __post_init__(self) -> None:
        if self.segments is not None:
            if self.start or self.end:
                raise ConfigError("give --segments or --start and --end, not both")
            return
        if not (self.start or self.end):
            raise ConfigError("say what to take: --start and --end (1:23.5), or --segments TABLE")
        if self.labels:
            raise ConfigError("--labels chooses among the segments of a table; give --segments too")
        if not self.files:
            raise ConfigError("name at least one media file")


def select_segments(config: SelectionConfig) -> list[Selection]:
    """The choice of each file, in their order.

    Raises:
        ClippingError: for a wrong time, table or path.
    """
    if config.segments is not None:
        wanted = {label.strip() for label in config.labels.split(",") if label.strip()}
        return _from_table(config.files, config.segments, wanted)
    begin = _time("--start", config.start) if config.start else 0.0
    stop = _time("--end", config.end) if config.end else None
    return [_from_times(path, name, begin, stop) for name, path in _find(config.files).items()]


def _find(files: Sequence[str]) -> dict[str, Path]:
    found = find_media(files)
    if not found:
        raise ClippingError(f"{', '.join(files)}: there are no media files in it")
    return found


def _from_times(path: Path, name: str, begin: float, stop: float | None) -> Selection:
    from clipping.media.probe import probe

    try:
        until = probe(path).duration if stop is None else stop
        if until <= begin:
            raise ClippingError(f"{path}: the end ({until:.3f} s) is not after {begin:.3f} s")
        return Selection(path, name, (Segment(begin, until),))
    except ClippingError as error:
        return Selection(path, name, error=str(error))


def _from_table(files: Sequence[str], table: Path, wanted: set[str]) -> list[Selection]:
    timelines = read_timelines(table)
    known = {segment.label for timeline in timelines for segment in timeline.segments}
    if wanted - known:
        raise ClippingError(
            f"{table}: no segment is labelled {', '.join(sorted(wanted - known))}; "
            f"there are {', '.join(sorted(known)) or 'none'}"
        )
    if files:
        rows = [(path, name, row_of(path, timelines)) for name, path in _find(files).items()]
    else:
        paths = [_place(timeline, table) for timeline in timelines]
        uses = Counter(path.stem for path in paths)
        rows = [
            (
                path,
                path.stem if uses[path.stem] == 1 else f"{path.parent.name}/{path.stem}",
                timeline,
            )
            for path, timeline in zip(paths, timelines, strict=True)
        ]
    return [_from_row(path, name, timeline, table, wanted) for path, name, timeline in rows]


def _from_row(
    path: Path, name: str, timeline: Timeline | None, table: Path, wanted: set[str]
) -> Selection:
    if timeline is None:
        return Selection(path, name, error=f"{path}: {table} has no row for this file")
    if timeline.error is not None:
        return Selection(path, name, error=f"{path}: {table} says: {timeline.error}")
    chosen = [each for each in timeline.segments if not wanted or each.label in wanted]
    if not chosen:
        return Selection(path, name, error=f"{path}: {table} has no such segment for this file")
    return Selection(path, name, tuple(chosen))


def row_of(path: Path, timelines: Sequence[Timeline]) -> Timeline | None:
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
