"""Read and write tables of segments: timelines as JSON or CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from clipping.errors import TableError
from clipping.files import write_text
from clipping.formats.timeline_json import list_text, timelines_from_json
from clipping.json_values import show
from clipping.segments import Segment, Timeline, parse_time
from clipping.text_files import cell_number, csv_rows, csv_text, read_text

SEGMENT_COLUMNS = ("file", "label", "start", "end", "confidence", "evidence")


def read_timelines(path: Path | str) -> list[Timeline]:
    """The timelines of a JSON or CSV file (recognized by its suffix, else by its first character).

    A CSV file has no durations: they are 0. Its times may also be written 1:23.5.

    Raises:
        TableError: if the file cannot be read, is neither JSON nor CSV of segments, or has a wrong
            value; the message names the line or the item.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".json" or (suffix != ".csv" and read_text(path).lstrip()[0] in "[{"):
        return timelines_from_json(path, read_text(path))
    return _timelines_from_csv(path)


def write_timelines(path: Path | str, timelines: Iterable[Timeline]) -> None:
    """Write timelines as JSON, or as CSV if ``path`` ends in ``.csv``.

    JSON keeps everything. CSV is for spreadsheets: durations and errors are left out, a media file
    without segments has no row, and the sentences of evidence are joined by `` | ``.
    """
    csv_wanted = Path(path).suffix.lower() == ".csv"
    text = timelines_csv(timelines) if csv_wanted else list_text(timelines)
    # Python holds a file name that is no UTF-8 as lone surrogates, which UTF-8 cannot encode.
    # Written as the escape "\udc80" they are valid JSON.
    write_text(Path(path), text.encode("utf-8", "backslashreplace").decode())


def timelines_csv(timelines: Iterable[Timeline]) -> str:
    """The segments of timelines as CSV, see :func:`write_timelines`."""
    rows: list[Sequence[object]] = [SEGMENT_COLUMNS]
    for timeline in timelines:
        for segment in timeline.segments:
            score = "" if segment.score is None else segment.score
            times = (segment.start, segment.end, score)
            rows.append((timeline.source, segment.label, *times, " | ".join(segment.evidence)))
    return csv_text(rows)


def _timelines_from_csv(path: Path | str) -> list[Timeline]:
    rows = csv_rows(path)
    line, header = next(rows, (1, []))
    columns = [cell.strip().lower() for cell in header]
    missing = [name for name in SEGMENT_COLUMNS[:4] if name not in columns]
    unknown = [name for name in columns if name not in SEGMENT_COLUMNS]
    if missing or unknown or len(set(columns)) != len(columns):
        raise TableError(
            f"{path}:{line}: the first row names the columns {','.join(SEGMENT_COLUMNS)} "
            f"(the last two may be left out), got {show(','.join(header))}"
        )
    segments: dict[str, list[Segment]] = {}
    for line, cells in rows:
        try:
            if len(cells) != len(columns):
                raise ValueError(f"the header has {len(columns)} columns, this row {len(cells)}")
            row = dict(zip(columns, cells, strict=True))
            score, evidence = row.get("confidence", ""), row.get("evidence", "")
            segment = Segment(
                start=_time(row["start"], "start"),
                end=_time(row["end"], "end"),
                label=row["label"],
                score=cell_number(score, "confidence") if score.strip() else None,
                evidence=tuple(evidence.split(" | ")) if evidence else (),
            )
        except ValueError as error:
            raise TableError(f"{path}:{line}: {error}") from error
        segments.setdefault(row["file"], []).append(segment)
    return [Timeline(file, 0.0, tuple(found)) for file, found in segments.items()]


def _time(cell: str, column: str) -> float:
    return parse_time(cell) if ":" in cell else cell_number(cell, column)
