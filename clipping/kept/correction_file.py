"""The file of corrections: what it looks like, read and changed by several processes.

::

    {
      "format": "avtnet corrections",
      "version": 1,
      "files": [
        {
          "name": "01.mkv",
          "size_bytes": 314572800, "digest": "…",       who the file is, whatever it is called
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
    """All that was said of a label at once."""

    label: str
    spans: tuple[Span, ...]
    by: str
    when: str

    def __post_init__(self) -> None:
        for start, end in self.spans:
            Segment(start, end, self.label)


@dataclass(frozen=True)
class Entry:
    """What was said of a file."""

    name: str
    size_bytes: int
    digest: str
    duration: float
    records: tuple[Record, ...]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other process changes the corrections meanwhile: none of two may be lost.

    The lock goes with its process, however that ends. A system without such locks does without.

    Raises:
        ClippingError: where the folder cannot be written.
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
    """Write the file whole, or leave it as it was."""
    rows = []
    for each in entries:
        row = asdict(each)
        row["corrections"] = row.pop("records")
        rows.append(row)
    whole = {"format": FORMAT, "version": VERSION, "files": rows}
    # A name that is no text (bytes of another encoding) stays as JSON's escapes.
    data = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_path(file) as temporary:
        temporary.write_bytes(data.encode("utf-8", "backslashreplace"))


def read_corrections(file: Path) -> list[Entry]:
    """What a file of corrections holds; nothing where there is none.

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
