"""Read untrusted text and CSV files with bounded memory; write CSV text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from clipping.errors import TableError
from clipping.json_values import number, show

MAX_BYTES = 64 * 2**20
"""Bytes of the largest file that is read; larger ones are no tables of ours."""


def read_text(path: Path | str, most_bytes: int = MAX_BYTES, *, empty: bool = False) -> str:
    """Read a UTF-8 text file, with or without a byte order mark.

    Args:
        most_bytes: a larger file is refused.
        empty: accept a file with nothing but white space.

    Raises:
        TableError: if the file cannot be read, is too large, not UTF-8, or empty.
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


def csv_rows(path: Path | str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of every row that is not blank.

    Raises:
        TableError: naming the line that is not CSV.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise TableError(f"{path}:{reader.line_num}: not CSV: {error}") from error


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV text with line feeds at their ends.

    Each row is written with ``\\r\\n`` first: only then does Python 3.11 quote a cell that holds a
    carriage return.
    """
    lines = []
    for row in rows:
        line = io.StringIO()
        csv.writer(line, lineterminator="\r\n").writerow(row)
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines)


def cell_number(cell: str, what: str) -> float:
    """Return the number in a cell; digits of other scripts, and 1_0, which float() takes, are none.

    Raises:
        ValueError: naming ``what`` and the cell.
    """
    try:
        value = float(cell) if cell.isascii() and "_" not in cell else None
    except ValueError:
        value = None
    if value is None:
        raise ValueError(f"{what} is a number, got {show(cell)}")
    return number(value, what)
