"""The general video-clipping library: time, segments, media, cutting, tables, metrics.

Importing it costs nothing: each public name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipping.cutting import Cut, cut, remove
    from clipping.errors import ClippingError
    from clipping.media import Frame, MediaInfo, Stream, frames_at, probe, read_audio
    from clipping.segments import Segment, Timeline
    from clipping.tables import read_timelines, write_timelines

_HOME = {
    "ClippingError": "clipping.errors",
    "Cut": "clipping.cutting",
    "Frame": "clipping.media",
    "MediaInfo": "clipping.media",
    "Segment": "clipping.segments",
    "Stream": "clipping.media",
    "Timeline": "clipping.segments",
    "cut": "clipping.cutting",
    "frames_at": "clipping.media",
    "probe": "clipping.media",
    "read_audio": "clipping.media",
    "read_timelines": "clipping.tables",
    "remove": "clipping.cutting",
    "write_timelines": "clipping.tables",
}
__all__ = [
    "ClippingError",
    "Cut",
    "Frame",
    "MediaInfo",
    "Segment",
    "Stream",
    "Timeline",
    "cut",
    "frames_at",
    "probe",
    "read_audio",
    "read_timelines",
    "remove",
    "write_timelines",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
