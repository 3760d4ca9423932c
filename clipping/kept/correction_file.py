"""Read and write the file of corrections, which several processes may change.

::

    {
      "format": "avtnet corrections",
      "version": 1,
      "files": [
        {
          "name": "01.mkv",
          "size_bytes": 314572800, "digest": "…",       identity of the file, also if renamed
          "duration": 1435.0,
          "corrections": [                              in the order in which they were made
            {"label": "opening", "spans": [[43.0, 132.95]], "by": "command", "when": "2026-…"},
            {"label": "recap", "spans": [], "by": "edited 01.avtnet.json", "when": "2026-…"}
          ]
        }
      ]
    }
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipping.errors import ClippingError, TableError
from clipping.files import atomic_path
from clipping.formats.catalog import MAX_BYTES
from clipping.json_values import entry, fields, listed, number, parse_json, some_fields, text
from clipping.segments import Segment
from clipping.text_files import read_text

FILE = "corrections.json"
FORMAT, VERSION = "avtnet corrections", 1

Span = tuple[float, float]


@dataclass(frozen=True)
class Record:
    """One correction: all spans of a label in a file; no span says that there is none."""

    label: str
    spans: tuple[Span, ...]
    by: str
    """Way in which it was made: ``"command"``, ``"edited 01.avtnet.json"``."""
    when: str
    """ISO 8601, UTC."""

    def __post_init__(self) -> None:
        for start, end in self.spans:
            Segment(start, end, self.label)


@dataclass(frozen=True)
class Entry:
    """The corrections of one file, with its identity."""

    name: str
    size_bytes: int
    digest: str
    duration: float
    records: tuple[Record, ...]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock the corrections of a folder for the block, so that no change of two processes is lost.

    The system releases the lock when its process ends, in whatever way. Systems and file systems
    without such locks work without one.

    Raises:
        ClippingError: if the folder cannot be written.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = open(folder / ".corrections.lock", "a")  # noqa: SIM115 - closed just below
    except OSError as error:
        raise ClippingError(f"{folder}: cannot be written: {error.strerror or error}") from error
    with stream:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def write_corrections(file: Path, entries: Sequence[Entry]) -> None:
    """Write all corrections of a folder, or leave the file as it was."""
    rows = []
    for each in entries:
        row = asdict(each)
        row["corrections"] = row.pop("records")
        rows.append(row)
    whole = {"format": FORMAT, "version": VERSION, "files": rows}
    # File names with bytes that are no UTF-8 are kept as JSON escapes.
    data = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_path(file) as temporary:
        temporary.write_bytes(data.encode("utf-8", "backslashreplace"))


def read_corrections(file: Path) -> list[Entry]:
    """Return the contents of a file of corrections; an empty list if it does not exist.

    Raises:
        TableError: naming the file and the entry that is wrong.
    """
    if not file.is_file():
        return []
    try:
        whole = some_fields(
            parse_json(file, read_text(file, MAX_BYTES)), ("format", "version", "files")
        )
        if (whole["format"], whole["version"]) != (FORMAT, VERSION):
            raise ValueError(f"is not {FORMAT} of version {VERSION}; a later release may read it")
        entries = []
        for index, item in enumerate(listed(whole, "files")):
            with entry("file", index):
                entries.append(_entry(item))
    except ValueError as error:
        raise TableError(f"{file}: {error}") from error
    return entries


def _entry(item: object) -> Entry:
    found = fields(item, ("name", "size_bytes", "digest", "duration", "corrections"), ())
    records = []
    for index, record in enumerate(listed(found, "corrections")):
        with entry("correction", index):
            records.append(_record(record))
    return Entry(
        text(found, "name"),
        int(number(found["size_bytes"], "size_bytes")),
        text(found, "digest"),
        number(found["duration"], "duration"),
        tuple(records),
    )


def _record(item: object) -> Record:
    found: dict[str, Any] = fields(item, ("label", "spans", "by", "when"), ())
    spans = []
    for span in listed(found, "spans"):
        pair = listed({"span": span}, "span")
        if len(pair) != 2:
            raise ValueError(f"a span is [start, end], got {len(pair)} values")
        spans.append((number(pair[0], "start"), number(pair[1], "end")))
    return Record(text(found, "label"), tuple(spans), text(found, "by"), text(found, "when"))
