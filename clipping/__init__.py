"""The general video-clipping library: time, segments, media, cutting, tables, metrics.

Importing it costs nothing: each public name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipping.cutting import Cut, cut
    from clipping.errors import ClippingError
    from clipping.media import MediaInfo, frames_at, probe, read_audio
    from clipping.segments import Segment, Timeline

_HOME = {
    "ClippingError": "clipping.errors",
    "Cut": "clipping.cutting",
    "MediaInfo": "clipping.media",
    "Segment": "clipping.segments",
    "Timeline": "clipping.segments",
    "cut": "clipping.cutting",
    "frames_at": "clipping.media",
    "probe": "clipping.media",
    "read_audio": "clipping.media",
}
__all__ = [
    "ClippingError",
    "Cut",
    "MediaInfo",
    "Segment",
    "Timeline",
    "cut",
    "frames_at",
    "probe",
    "read_audio",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
