"""Media segments of Jellyfin 10.10 and later: the answer of GET /MediaSegments/{itemId}."""

from __future__ import annotations

import json
from fractions import Fraction

from clipping.formats.reading import About, bounded
from clipping.json_values import entry, kind, listed, parse_json, show, some_fields, text
from clipping.segments import Segment, Timeline

TICKS = 10_000_000
"""Ticks per second: Jellyfin counts in units of 100 ns."""
TYPES = {
    "opening": "Intro",
    "ending": "Outro",
    "preview": "Preview",
    "recap": "Recap",
    "commercial": "Commercial",
}
_LABELS = {name: label for label, name in TYPES.items()}
_NUMBERED = ("Unknown", "Commercial", "Preview", "Recap", "Outro", "Intro")
"""The types in the order of their numbers (Jellyfin's MediaSegmentType)."""
_LAST_TICK = 2**63 - 1
NO_ITEM = "00000000000000000000000000000000"
"""Stands for the server's id of the episode, which we do not know."""


def to_text(timeline: Timeline, item: str = NO_ITEM) -> str:
    """The segments whose labels Jellyfin has a type for, one per line.

    Args:
        item: the server's id of the episode.
    """
    rows: list[str] = []
    for segment in timeline.segments:
        start, end = _ticks(segment.start), _ticks(segment.end)
        if segment.label in TYPES and start < end:
            row = {
                "Id": f"00000000-0000-0000-0000-{len(rows) + 1:012d}",
                "ItemId": item,
                "Type": TYPES[segment.label],
                "StartTicks": start,
                "EndTicks": end,
            }
            rows.append(json.dumps(row, separators=(",", ":")))
    items = ",\n".join(rows)
    return f'{{"Items":[{items}],"TotalRecordCount":{len(rows)},"StartIndex":0}}\n'


def from_text(content: str, about: About) -> Timeline:
    """The segments of an answer; those of the type Unknown are left out.

    Raises:
        ValueError: for a wrong value; the message names the item.
        TableError: if ``content`` is no JSON.
    """
    items = listed(some_fields(parse_json(about.path, content), ("Items",)), "Items")
    bounded(len(items))
    segments = []
    for index, item in enumerate(items):
        with entry("item", index):
            label = _label(item)
            times = [_seconds(item, key) for key in ("StartTicks", "EndTicks")]
            if label is not None:
                segments.append(Segment(times[0], times[1], label))
    return Timeline(about.source, about.duration, tuple(segments))


def _label(item: object) -> str | None:
    found = some_fields(item, ("Type", "StartTicks", "EndTicks"))
    name = found["Type"]
    if isinstance(name, int) and not isinstance(name, bool) and 0 <= name < len(_NUMBERED):
        name = _NUMBERED[name]
    elif not isinstance(name, str):
        name = text(found, "Type")
    if name not in _NUMBERED:
        raise ValueError(f"Type is one of {', '.join(_NUMBERED)}, got {show(name)}")
    return _LABELS.get(name)


def _seconds(item: dict[str, object], key: str) -> float:
    value = item[key]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LAST_TICK:
        raise ValueError(f"{key} is a whole number from 0 to 2**63 - 1, got {kind(value)}")
    return value / TICKS


def _ticks(seconds: float) -> int:
    return round(Fraction(seconds) * TICKS)
