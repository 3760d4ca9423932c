"""Tables in and out: segments (JSON, CSV), labels and submissions of windows.

=============  ==========================================================================
timelines      JSON (:mod:`clipping.formats.timeline_json`), or CSV with one row a segment
labels         ``NAME_start 60.5095``: where the boundary lies in that window, in seconds
submissions    ``NAME_start.mp4,s,64.684``: where a model says that it lies
=============  ==========================================================================

Readers take UTF-8 with or without a byte order mark, any line ends, and blank lines; whatever else
is wrong is a TableError that names file, line and value. Writers write a whole file or nothing, and
the same values always give the same bytes.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, get_args

from clipping.errors import TableError
from clipping.files import write_text
from clipping.formats.timeline_json import list_text, timelines_from_json
from clipping.json_values import number, show
from clipping.segments import Segment, Timeline, parse_time

Side = Literal["start", "end"]
WINDOW_SECONDS = 200.0
"""Length of a window: labels and submissions lie from 0 to here."""
SEGMENT_COLUMNS = ("file", "label", "start", "end", "confidence", "evidence")
MAX_BYTES = 64 * 2**20
"""A file above this size is refused unread: it is no table of ours."""

Row = TypeVar("Row")


@dataclass(frozen=True, order=True)
class WindowId:
    """A window of an episode; ``str()`` is how the tables call it: ``NAME_start``, ``NAME_end``.

    Raises:
        ValueError: unless the name is one line of text and the side ``"start"`` or ``"end"``.
    """

    name: str
    side: Side

    def __post_init__(self) -> None:
        if self.side not in get_args(Side):
            raise ValueError(f"a window's side is start or end, got {show(self.side)}")
        # U+FEFF would be taken for a byte order mark at the start of a file.
        if not self.name or any(
            unicodedata.category(character) in ("Cc", "Cs") or character == "\ufeff"
            for character in self.name
        ):
            raise ValueError(
                f"an episode's name is one line of text without control characters: "
                f"{show(self.name)}"
            )

    @classmethod
    def parse(cls, text: str) -> WindowId:
        """``"NAME_start"`` → ``WindowId("NAME", "start")``.

        Raises:
            ValueError: for text that does not end in ``_start`` or ``_end``.
        """
        name, underscore, side = text.rpartition("_")
        if not underscore or side not in get_args(Side):
            raise ValueError(f"a window is called NAME_start or NAME_end, got {show(text)}")
        return cls(name, side)  # type: ignore[arg-type]  # checked against Side just above

    def __str__(self) -> str:
        return f"{self.name}_{self.side}"


def read_labels(path: Path | str) -> dict[WindowId, float]:
    """The rows ``NAME_start 60.5095`` of a label file, in its order; seconds in the window.

    Raises:
        TableError: see the head of this module.
    """

    def parse(line: str) -> tuple[WindowId, float]:
        cells = line.rsplit(maxsplit=1)
        if len(cells) != 2:
            raise ValueError(f"a row is a window and its second (NAME_start 60.5): {show(line)}")
        return WindowId.parse(cells[0]), _position(_cell_number(cells[1], "the position"))

    lines = enumerate(io.StringIO(read_text(path), newline=None), start=1)
    rows = ((count, line.rstrip("\n")) for count, line in lines if line.strip())
    return _windows(path, rows, parse)


def write_labels(path: Path | str, labels: Mapping[WindowId, float]) -> None:
    """Write a label file, in the order given, with every digit of the seconds."""
    rows = [f"{window} {_checked(path, window, label)!r}\n" for window, label in labels.items()]
    write_text(Path(path), "".join(rows))


def read_submission(path: Path | str) -> dict[WindowId, float]:
    """The rows ``NAME_start.mp4,s,64.684`` of a submission, in its order; seconds in the window.

    Raises:
        TableError: see the head of this module.
    """

    def parse(cells: list[str]) -> tuple[WindowId, float]:
        if len(cells) != 3:
            raise ValueError(
                f"a row has 3 columns (NAME_start.mp4,s,64.684), got {len(cells)}: "
                f"{show(','.join(cells))}"
            )
        stem = cells[0].removesuffix(".mp4")
        if stem == cells[0]:
            raise ValueError(
                f"the first column is NAME_start.mp4 or NAME_end.mp4, got {show(stem)}"
            )
        window = WindowId.parse(stem)
        if cells[1] != window.side[0]:
            raise ValueError(f"{window} needs {window.side[0]!r} beside it, got {show(cells[1])}")
        return window, _position(_cell_number(cells[2], "the position"))

    return _windows(path, _csv_rows(path), parse)


def write_submission(path: Path | str, positions: Mapping[WindowId, float]) -> None:
    """Write a submission: three decimals, no header, sorted by window.

    Raises:
        TableError: for no windows at all, or a position that is no number from 0 to 200.
    """
    if not positions:
        raise TableError(f"{path}: a submission needs at least one window")
    rows = [
        # + 0.0 turns -0.0 into 0.0
        (f"{window}.mp4", window.side[0], f"{_checked(path, window, positions[window]) + 0.0:.3f}")
        for window in sorted(positions)
    ]
    write_text(Path(path), csv_text(rows))


def read_timelines(path: Path | str) -> list[Timeline]:
    """The timelines of a JSON or CSV file (told by its suffix, else by its first character).

    A CSV knows no durations: they are 0. Its times may also be written 1:23.5.

    Raises:
        TableError: see the head of this module.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".json" or (suffix != ".csv" and read_text(path).lstrip()[0] in "[{"):
        return timelines_from_json(path, read_text(path))
    return _timelines_from_csv(path)


def write_timelines(path: Path | str, timelines: Iterable[Timeline]) -> None:
    """Write timelines as JSON, or as CSV where ``path`` ends in ``.csv``.

    JSON keeps everything. CSV is for spreadsheets: durations and errors are left out, a file
    without segments has no row, and the sentences of the evidence are joined by `` | ``.
    """
    csv_wanted = Path(path).suffix.lower() == ".csv"
    text = timelines_csv(timelines) if csv_wanted else list_text(timelines)
    # A file name that is no UTF-8 reaches Python as lone surrogates: "\udc80", valid JSON.
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
    rows = _csv_rows(path)
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
                score=_cell_number(score, "confidence") if score.strip() else None,
                evidence=tuple(evidence.split(" | ")) if evidence else (),
            )
        except ValueError as error:
            raise TableError(f"{path}:{line}: {error}") from error
        segments.setdefault(row["file"], []).append(segment)
    return [Timeline(file, 0.0, tuple(found)) for file, found in segments.items()]


def read_text(path: Path | str, most_bytes: int = MAX_BYTES, *, empty: bool = False) -> str:
    """A whole UTF-8 text file of at most so many bytes; an empty one only where it may be.

    Raises:
        TableError: for any other.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(most_bytes + 1)
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > most_bytes:
        raise TableError(f"{path}: above {most_bytes >> 20} MiB; is it a table at all?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TableError(
            f"{path}:{line}: not UTF-8 text (byte 0x{data[error.start]:02x}); save it as UTF-8"
        ) from error
    if not empty and not text.strip():
        raise TableError(f"{path}: the file is empty")
    return text


def _csv_rows(path: Path | str) -> Iterator[tuple[int, list[str]]]:
    """The number of the line and the cells of every row that is not blank."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise TableError(f"{path}:{reader.line_num}: not CSV: {error}") from error


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows ending in a line feed (where Python 3.11 would not quote a carriage return)."""
    lines = []
    for row in rows:
        line = io.StringIO()
        csv.writer(line, lineterminator="\r\n").writerow(row)
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines)


def _windows(
    path: Path | str,
    rows: Iterable[tuple[int, Row]],
    parse: Callable[[Row], tuple[WindowId, float]],
) -> dict[WindowId, float]:
    """Parse numbered rows; each window may come once."""
    positions: dict[WindowId, float] = {}
    lines: dict[WindowId, int] = {}
    for line, row in rows:
        try:
            window, position = parse(row)
        except ValueError as error:
            raise TableError(f"{path}:{line}: {error}") from error
        if window in positions:
            raise TableError(f"{path}:{line}: {window} stands on line {lines[window]} already")
        positions[window], lines[window] = position, line
    return positions


def _cell_number(cell: str, what: str) -> float:
    """A number of a CSV or label file; float() alone would also take 1_0 and other scripts."""
    try:
        value = float(cell) if cell.isascii() and "_" not in cell else None
    except ValueError:
        value = None
    if value is None:
        raise ValueError(f"{what} is a number, got {show(cell)}")
    return number(value, what)


def _position(seconds: float) -> float:
    """Seconds in a window."""
    if not 0 <= seconds <= WINDOW_SECONDS:  # NaN fails this too
        raise ValueError(f"the position is from 0 to {WINDOW_SECONDS:g} s, got {seconds}")
    return seconds


def _checked(path: Path | str, window: WindowId, seconds: float) -> float:
    """A position that may be written."""
    try:
        return _position(float(seconds))
    except ValueError as error:
        raise TableError(f"{path}: {window}: {error}") from error


def _time(cell: str, what: str) -> float:
    return parse_time(cell) if ":" in cell else _cell_number(cell, what)
