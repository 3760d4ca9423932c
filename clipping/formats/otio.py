"""OpenTimelineIO: markers on one clip, for editing programs.

The OpenTimelineIO library (the extra ``otio``) writes the files. It does not read them, because a
hostile file makes it end the process (0.18.1, with deeply nested brackets).
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clipping.extra import extra_module
from clipping.formats.chapters import one_line
from clipping.formats.reading import About, bounded
from clipping.formats.titles import TITLES, role_of
from clipping.json_values import entry, listed, number, parse_json, show, some_fields, text
from clipping.segments import Segment, Timeline

RATE = 1000.0
"""Ticks per second: times are whole milliseconds."""
_COLORS = {"opening": "GREEN", "ending": "BLUE", "recap": "ORANGE", "preview": "PURPLE"}
_OTHER_COLOR = "YELLOW"
_SCHEMAS = {"Marker": 2, "Clip": 1}
"""Versions of these objects to write, which older programs can read too."""
_DEEPEST = 100
"""Most levels of nested tracks."""


def to_text(timeline: Timeline) -> str:
    """A timeline with one track and one clip (the media), and one marker per segment.

    Raises:
        ClippingError: if the library is not installed.
    """
    otio = _library()

    def span(start: int, end: int) -> Any:
        begin, length = (otio.opentime.RationalTime(float(t), RATE) for t in (start, end - start))
        return otio.opentime.TimeRange(begin, length)

    name = one_line(Path(timeline.source).stem)
    length = _ticks(timeline.duration)
    media = otio.schema.ExternalReference(
        target_url=_url(timeline.source), available_range=span(0, length) if length else None
    )
    clip = otio.schema.Clip(name=name, media_reference=media)
    for segment in timeline.segments:
        if _ticks(segment.start) < _ticks(segment.end):
            label = one_line(segment.label)
            score = "" if segment.score is None else f" conf={segment.score:.2f}"
            marker = otio.schema.Marker(
                name=TITLES.get(label, label),
                marked_range=span(_ticks(segment.start), _ticks(segment.end)),
                color=_COLORS.get(label, _OTHER_COLOR),
                comment=f"{label}{score}".strip(),
                metadata={"type": label},
            )
            clip.markers.append(marker)
    track = otio.schema.Track(name="V1", kind=otio.schema.TrackKind.Video)
    track.append(clip)
    whole = otio.schema.Timeline(name=name)
    whole.tracks.append(track)
    written: str = otio.adapters.write_to_string(
        whole, "otio_json", target_schema_versions=_SCHEMAS
    )
    return written.rstrip("\n") + "\n"


def from_text(content: str, about: About) -> Timeline:
    """The markers of the first clip that has any. The label is the marker's type, else its name.

    Raises:
        ValueError: for a wrong value; the message names the marker.
        TableError: if ``content`` is no JSON.
    """
    whole = some_fields(parse_json(about.path, content), ("OTIO_SCHEMA",))
    if not text(whole, "OTIO_SCHEMA").startswith("Timeline."):
        raise ValueError(f"OTIO_SCHEMA is Timeline.1, got {show(whole['OTIO_SCHEMA'])}")
    clips = list(_clips(whole.get("tracks"), 0))
    clip = next((each for each in clips if each.get("markers")), clips[0] if clips else {})
    start, length = _available(clip)
    segments = []
    for index, marker in enumerate(listed({"markers": [], **clip}, "markers")):
        bounded(index + 1)
        with entry("marker", index):
            segments += _segment(marker, start)
    return Timeline(about.source, about.duration or length, tuple(segments))


def _clips(item: object, depth: int) -> Iterator[dict[str, Any]]:
    """All clips below a stack or track, in order."""
    if depth > _DEEPEST:
        raise ValueError(f"tracks lie more than {_DEEPEST} deep")
    if not isinstance(item, dict):
        return
    if str(item.get("OTIO_SCHEMA")).startswith("Clip."):
        yield item
    children = item.get("children")
    for child in children if isinstance(children, list) else ():
        yield from _clips(child, depth + 1)


def _available(clip: dict[str, Any]) -> tuple[float, float]:
    """(start in the media's own time, duration) of a clip's media in seconds; (0, 0) if missing."""
    several = clip.get("media_references")
    media = clip.get("media_reference")
    if isinstance(several, dict):
        key = clip.get("active_media_reference_key")
        media = several.get(key) if isinstance(key, str) else None
    span = media.get("available_range") if isinstance(media, dict) else None
    if span is None:
        return 0.0, 0.0
    try:
        start, length = _range(span)
    except ValueError as error:
        raise ValueError(f"available_range: {error}") from error
    if length < 0:
        raise ValueError(f"available_range: its duration is below 0: {length}")
    return start, length


def _segment(marker: object, start: float) -> list[Segment]:
    found = some_fields(marker, ("marked_range",))
    begin, length = _range(found["marked_range"])
    if not length:
        return []  # a marker without length is a point in time
    metadata = found.get("metadata")
    label = metadata.get("type") if isinstance(metadata, dict) else None
    if not isinstance(label, str):
        label = text(found, "name") if found.get("name") else ""
        label = role_of(label) or label
    return [Segment(begin - start, begin - start + length, label)]


def _range(span: object) -> tuple[float, float]:
    found = some_fields(span, ("start_time", "duration"))
    return _seconds(found["start_time"], "start_time"), _seconds(found["duration"], "duration")


def _seconds(time: object, name: str) -> float:
    found = some_fields(time, ("value", "rate"))
    rate = number(found["rate"], f"{name}: rate")
    if rate <= 0:
        raise ValueError(f"{name}: rate is above 0, got {rate}")
    return number(number(found["value"], f"{name}: value") / rate, name)


def _ticks(seconds: float) -> int:
    return round(seconds * RATE)


def _url(source: str) -> str:
    """The source as ``file:///…``, escaped where a URL needs it; a URL stays as it is."""
    if "://" in source:
        return one_line(source)
    path = Path(source).as_posix().encode("utf-8", "surrogateescape")
    return "file:///" + urllib.parse.quote(path).lstrip("/")


def _library() -> Any:
    return extra_module("opentimelineio")
