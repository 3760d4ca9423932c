"""Find the files and segments that a command line of ``cut`` or ``reel`` selects."""

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
    """The selected segments of one file; ``error`` is the reason if there are none."""

    path: Path
    name: str
    """Begin of the names of its results; unique among the files of one call, may hold ``/``."""
    segments: tuple[Segment, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class SelectionConfig:
    """The settings that ``cut`` and ``reel`` have in common: which segments of which files."""

    files: tuple[str, ...] = field(
        default=(),
        metadata={"help": "media files or folders; may be left out if --segments names them"},
    )
    start: str = ""
    """start of the segment in each file: 83.5 or 1:23.5; default: the start of the file"""
    end: str = ""
    """end of the segment in each file; default: the end of the file"""
    segments: Path | None = None
    """a table of segments (JSON or CSV, as avtnet locate writes it) instead of --start and --end"""
    labels: str = ""
    """labels to take from the table, separated by commas (opening,ending); default: all"""

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
    """The selection of each file, in the order of the files.

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
        end = probe(path).duration if stop is None else stop
        if end <= begin:
            raise ClippingError(f"{path}: the end ({end:.3f} s) is not after {begin:.3f} s")
        return Selection(path, name, (Segment(begin, end),))
    except ClippingError as error:
        return Selection(path, name, error=str(error))


def _from_table(files: Sequence[str], table: Path, wanted: set[str]) -> list[Selection]:
    timelines = read_timelines(table)
    labels = {segment.label for timeline in timelines for segment in timeline.segments}
    if wanted - labels:
        raise ClippingError(
            f"{table}: no segment is labelled {', '.join(sorted(wanted - labels))}; "
            f"there are {', '.join(sorted(labels)) or 'none'}"
        )
    if files:
        rows = [(path, name, row_of(path, timelines)) for name, path in _find(files).items()]
    else:
        paths = [_media_path(timeline, table) for timeline in timelines]
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
    selected = [each for each in timeline.segments if not wanted or each.label in wanted]
    if not selected:
        return Selection(path, name, error=f"{path}: {table} has no such segment for this file")
    return Selection(path, name, tuple(selected))


def row_of(path: Path, timelines: Sequence[Timeline]) -> Timeline | None:
    """The row of a file: by its path, else by its file name if only one row has that name."""
    for timeline in timelines:
        if Path(timeline.source) == path or Path(timeline.source).resolve() == path.resolve():
            return timeline
    same = [each for each in timelines if Path(each.source).name == path.name]
    return same[0] if len(same) == 1 else None


def _media_path(timeline: Timeline, table: Path) -> Path:
    """The path of a row's file: as written, or relative to the table's folder if it is there."""
    path = Path(timeline.source)
    near_table = table.parent / path
    return near_table if not path.exists() and near_table.exists() else path


def _time(option: str, text: str) -> float:
    try:
        return parse_time(text)
    except ValueError as error:
        raise ClippingError(f"{option}: {error}") from error
