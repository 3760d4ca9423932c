"""Answers of the AniSkip API, a database of openings and endings of anime.

Version 2 is written; versions 1 and 2 are read.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping

from clipping.formats.reading import About, bounded
from clipping.json_values import entry, listed, number, parse_json, show, some_fields, text
from clipping.segments import Segment, Timeline

TYPES = {"opening": "op", "ending": "ed", "recap": "recap"}
LABELS = {
    "op": "opening",
    "ed": "ending",
    "recap": "recap",
    "mixed-op": "mixed",
    "mixed-ed": "mixed",
}
"""AniSkip's type → our label. Mixed songs play over story, so a player must not skip them."""
_EARLY = 720.0
"""Seconds: if the length is unknown, a song over story that begins earlier counts as an opening."""
_NAMES = {
    "v2": ("startTime", "endTime", "skipType", "episodeLength"),
    "v1": ("start_time", "end_time", "skip_type", "episode_length"),
}


def to_text(timeline: Timeline) -> str:
    """The answer for an episode, to the millisecond; labels without an AniSkip type are left out.

    ``skipId`` is made from type, times and length, so equal segments have equal ids.
    """
    length = round(timeline.duration, 3)
    results = []
    for segment in timeline.segments:
        start, end = round(segment.start, 3), round(segment.end, 3)
        kind = TYPES.get(segment.label)
        if segment.label == "mixed":
            half = timeline.duration / 2 or _EARLY
            kind = "mixed-op" if segment.start < half else "mixed-ed"
        if kind is not None and start < end:
            name = uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {start} {end} {length}")
            results.append(
                {
                    "interval": {"startTime": start, "endTime": end},
                    "skipType": kind,
                    "skipId": str(name),
                    "episodeLength": length,
                }
            )
    answer = {
        "found": bool(results),
        "results": results,
        "message": "Successfully found skip times" if results else "No skip times found",
        "statusCode": 200 if results else 404,
    }
    return json.dumps(answer, separators=(",", ":"), allow_nan=False) + "\n"


def from_text(content: str, about: About) -> Timeline:
    """The segments of an answer; if ``about`` has no duration, it is that of the first result.

    Raises:
        ValueError: for a wrong value; the message names the result.
        TableError: if ``content`` is no JSON.
    """
    results = listed(some_fields(parse_json(about.path, content), ("results",)), "results")
    bounded(len(results))
    segments, lengths = [], [about.duration] if about.duration else []
    for index, result in enumerate(results):
        with entry("result", index):
            segment, length = _result(result)
        segments.append(segment)
        lengths.append(length)
    return Timeline(about.source, lengths[0] if lengths else 0.0, tuple(segments))


def _result(result: object) -> tuple[Segment, float]:
    outer = some_fields(result, ("interval",))
    start, end, kind, length = _NAMES["v1" if "skip_type" in outer else "v2"]
    some_fields(outer, (kind,))
    interval: Mapping[str, object] = some_fields(outer["interval"], (start, end))
    name = text(outer, kind)
    if name not in LABELS:
        raise ValueError(f"{kind} is one of {', '.join(LABELS)}, got {show(name)}")
    seconds = number(outer.get(length, 0), length)
    if seconds < 0:
        raise ValueError(f"{length} is 0 or more seconds, got {seconds}")
    times = number(interval[start], start), number(interval[end], end)
    return Segment(*times, LABELS[name]), seconds
