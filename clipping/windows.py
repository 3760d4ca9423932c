"""Read and write tables of windows: labels and submissions.

=============  ==========================================================================
timelines      JSON (:mod:`clipping.formats.timeline_json`), or CSV with one row a segment
labels         ``NAME_start 60.5095``: the boundary's second in that window
submissions    ``NAME_start.mp4,s,64.684``: the second that a model predicts
=============  ==========================================================================

Readers accept UTF-8 with or without a byte order mark, any line ends, and blank lines; any other
fault is a TableError that names file, line and value. Writers write a whole file or nothing, and
equal values give equal bytes.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, get_args

from clipping.errors import TableError
from clipping.files import write_text
from clipping.json_values import show
from clipping.text_files import cell_number, csv_rows, csv_text, read_text

Side = Literal["start", "end"]
WINDOW_SECONDS = 200.0
"""Length of a window in seconds; labels and submissions are between 0 and it."""

Row = TypeVar("Row")


@dataclass(frozen=True, order=True)
class WindowId:
    """A window of an episode; ``str()`` is its name in tables: ``NAME_start``, ``NAME_end``.

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
    """Read the rows ``NAME_start 60.5095`` of a label file, in its order; seconds in the window.

    Raises:
        TableError: naming file and line of a wrong row.
    """

    def parse(line: str) -> tuple[WindowId, float]:
        cells = line.rsplit(maxsplit=1)
        if len(cells) != 2:
            raise ValueError(f"a row is a window and its second (NAME_start 60.5): {show(line)}")
        return WindowId.parse(cells[0]), _position(cell_number(cells[1], "the position"))

    lines = enumerate(io.StringIO(read_text(path), newline=None), start=1)
    rows = ((count, line.rstrip("\n")) for count, line in lines if line.strip())
    return _windows(path, rows, parse)


def write_labels(path: Path | str, labels: Mapping[WindowId, float]) -> None:
    """Write a label file, in the order given, with every digit of the seconds."""
    rows = [f"{window} {_checked(path, window, label)!r}\n" for window, label in labels.items()]
    write_text(Path(path), "".join(rows))


def read_submission(path: Path | str) -> dict[WindowId, float]:
    """Read the rows ``NAME_start.mp4,s,64.684`` of a submission, in its order; seconds.

    Raises:
        TableError: naming file and line of a wrong row.
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
            raise ValueError(f"{window} needs {window.side[0]!r} next to it, got {show(cells[1])}")
        return window, _position(cell_number(cells[2], "the position"))

    return _windows(path, csv_rows(path), parse)


def write_submission(path: Path | str, positions: Mapping[WindowId, float]) -> None:
    """Write a submission: three decimals, no header, sorted by window.

    Raises:
        TableError: if there are no windows, or a position is no number from 0 to 200.
    """
    if not positions:
        raise TableError(f"{path}: a submission needs at least one window")
    rows = [
        # + 0.0 turns -0.0 into 0.0
        (f"{window}.mp4", window.side[0], f"{_checked(path, window, positions[window]) + 0.0:.3f}")
        for window in sorted(positions)
    ]
    write_text(Path(path), csv_text(rows))


def _windows(
    path: Path | str,
    rows: Iterable[tuple[int, Row]],
    parse: Callable[[Row], tuple[WindowId, float]],
) -> dict[WindowId, float]:
    """Parse numbered rows, in which each window stands at most once."""
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


def _position(seconds: float) -> float:
    """Return seconds in a window if they are between 0 and its length."""
    if not 0 <= seconds <= WINDOW_SECONDS:  # NaN fails this too
        raise ValueError(f"the position is from 0 to {WINDOW_SECONDS:g} s, got {seconds}")
    return seconds


def _checked(path: Path | str, window: WindowId, seconds: float) -> float:
    """Return a position as a float if it is within the window; else raise a TableError."""
    try:
        return _position(float(seconds))
    except ValueError as error:
        raise TableError(f"{path}: {window}: {error}") from error
