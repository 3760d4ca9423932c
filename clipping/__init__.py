"""The general video-clipping library: time, segments, media, cutting, tables, metrics.

Importing it costs nothing: each public name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipping.cutting.cut import Cut, cut, remove
    from clipping.errors import ClippingError
    from clipping.formats.tables import read_timelines, write_timelines
    from clipping.media.frames import frames_at
    from clipping.media.picture import Frame
    from clipping.media.probe import MediaInfo, Stream, probe
    from clipping.media.sound import read_audio
    from clipping.segments import Segment, Timeline

_HOME = {
    "ClippingError": "clipping.errors",
    "Cut": "clipping.cutting.cut",
    "Frame": "clipping.media.picture",
    "MediaInfo": "clipping.media.probe",
    "Segment": "clipping.segments",
    "Stream": "clipping.media.probe",
    "Timeline": "clipping.segments",
    "cut": "clipping.cutting.cut",
    "frames_at": "clipping.media.frames",
    "probe": "clipping.media.probe",
    "read_audio": "clipping.media.sound",
    "read_timelines": "clipping.formats.tables",
    "remove": "clipping.cutting.cut",
    "write_timelines": "clipping.formats.tables",
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
