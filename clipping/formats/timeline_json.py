"""Our own JSON format: complete timelines of many files.

Version 1::

    {
      "format": "avtnet timelines",
      "version": 1,
      "timelines": [
        {
          "file": "S01E02.mkv",
          "duration": 1435.0,                  seconds; 0 if unknown
          "segments": [
            {
              "label": "opening",
              "start": 43.0,                   seconds of media time (0 is the first shown instant)
              "end": 132.95,
              "confidence": 0.98,              0..1, or null
              "evidence": ["the reasons, one sentence per source"]
            }
          ],
          "error": null                        or the reason why the file could not be analysed
        }
      ]
    }

Any change of the format raises the version. ``avtnet locate --json`` writes only the list of
timelines, for scripts and pipes; both forms are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clipping.errors import TableError
from clipping.json_values import (
    entry,
    fields,
    kind,
    listed,
    number,
    parse_json,
    show,
    some_fields,
    text,
)
from clipping.segments import Segment, Timeline

FORMAT, VERSION = "avtnet timelines", 1


def json_text(timelines: Iterable[Timeline]) -> str:
    """The text of a file with these timelines; equal timelines give equal bytes."""
    items = [timeline_to_dict(timeline) for timeline in timelines]
    return _dumped({"format": FORMAT, "version": VERSION, "timelines": items})


def list_text(timelines: Iterable[Timeline]) -> str:
    """The list of timelines as JSON, without format and version."""
    return _dumped([timeline_to_dict(timeline) for timeline in timelines])


def _dumped(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def timeline_to_dict(timeline: Timeline) -> dict[str, Any]:
    """A timeline as JSON values: one item of the list."""
    return {
        "file": timeline.source,
        "duration": timeline.duration,
        "segments": [
            {
                "label": segment.label,
                "start": segment.start,
                "end": segment.end,
                "confidence": segment.score,
                "evidence": list(segment.evidence),
            }
            for segment in timeline.segments
        ],
        "error": timeline.error,
    }


def timelines_from_json(path: Path | str, content: str) -> list[Timeline]:
    """The timelines of a JSON text, in either form.

    Args:
        path: the file's name in messages.

    Raises:
        TableError: if ``content`` is no JSON, of another version, or has a wrong item.
    """
    timelines = []
    try:
        for index, item in enumerate(_items(parse_json(path, content))):
            with entry("item", index):
                timelines.append(_timeline(item))
    except ValueError as error:
        raise TableError(f"{path}: {error}") from error
    return timelines


def _items(whole: object) -> list[Any]:
    if isinstance(whole, list):
        return whole
    if not isinstance(whole, dict) or "format" not in whole:
        raise ValueError(f"timelines are a JSON list of objects, got {kind(whole)}")
    found = some_fields(whole, ("format", "version", "timelines"))
    if found["format"] != FORMAT:
        raise ValueError(f"format is {FORMAT!r}, got {show(found['format'])}")
    version = number(found["version"], "version")
    if version != VERSION:
        raise ValueError(
            f"is version {show(found['version'])}, this program reads {VERSION}; "
            "a later release may read it"
        )
    return listed(found, "timelines")


def _timeline(item: object) -> Timeline:
    found = fields(item, required=("file",), optional=("duration", "segments", "error"))
    segments = listed({"segments": [], **found}, "segments")
    error = found.get("error")
    return Timeline(
        source=text(found, "file"),
        duration=number(found.get("duration", 0), "duration"),
        segments=tuple(_segment(segment, index) for index, segment in enumerate(segments)),
        error=None if error is None else text(found, "error"),
    )


def _segment(item: object, index: int) -> Segment:
    with entry("segment", index):
        found = fields(item, ("label", "start", "end"), ("confidence", "evidence"))
        score, evidence = found.get("confidence"), found.get("evidence", [])
        if not isinstance(evidence, list) or not all(isinstance(line, str) for line in evidence):
            raise ValueError("evidence is a list of texts")
        return Segment(
            start=number(found["start"], "start"),
            end=number(found["end"], "end"),
            label=text(found, "label"),
            score=None if score is None else number(score, "confidence"),
            evidence=tuple(evidence),
        )
