"""The skip file of needle: one opening, one ending, and a hash that identifies the video."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from clipping.errors import MediaError
from clipping.formats.reading import About
from clipping.json_values import kind, number, parse_json, show, some_fields
from clipping.segments import Segment, Timeline

HEAD_BYTES = 8192
"""Bytes at the start of a video that needle hashes, to see whether it is still the same file."""
_LABELS = ("opening", "ending")


def to_text(timeline: Timeline) -> str:
    """The first opening and the first ending, to the millisecond; reads the video for its hash.

    Raises:
        MediaError: if the video cannot be read.
    """
    spans = {label: _span(timeline.find(label)) for label in _LABELS}
    whole = {**spans, "md5": digest(Path(timeline.source))}
    return json.dumps(whole, separators=(",", ":")) + "\n"


def from_text(content: str, about: About) -> Timeline:
    """The segments of a skip file; older files without md5 are read too.

    Raises:
        ValueError: for a value of the wrong type.
        TableError: if ``content`` is no JSON.
    """
    found = some_fields(parse_json(about.path, content), _LABELS)
    md5 = found.get("md5")
    if md5 is not None and not isinstance(md5, str):
        raise ValueError(f"md5 is a text, got {kind(md5)}")
    segments = []
    for label in _LABELS:
        span = found[label]
        if span is None:
            continue
        if not isinstance(span, list) or len(span) != 2:
            raise ValueError(f"{label} is [start, end] or null, got {show(span)}")
        segments.append(Segment(number(span[0], label), number(span[1], label), label))
    return Timeline(about.source, about.duration, tuple(segments))


def digest(path: Path) -> str:
    """MD5 of a file's first ``HEAD_BYTES`` bytes, in hexadecimal.

    Raises:
        MediaError: if the file cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            return hashlib.md5(stream.read(HEAD_BYTES), usedforsecurity=False).hexdigest()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(
            f"{path}: cannot be read, and a needle skip file holds a hash of the video: {reason}"
        ) from error


def _span(segment: Segment | None) -> list[float] | None:
    if segment is None or round(segment.start, 3) >= round(segment.end, 3):
        return None
    return [round(segment.start, 3), round(segment.end, 3)]
