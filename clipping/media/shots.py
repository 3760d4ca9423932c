"""Where the picture changes at once: cuts, and the edges of black, to the frame."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from clipping.media.frames import frames_at

_GRID = 0.01
"""Seconds: no frame is shown for less."""
_CUT = 18.0
"""Mean difference of brightness (of 255) from frame to frame, from which it may be a cut."""
_STANDS_OUT = 3.0
"""Times the usual difference about it."""
_BLACK = 20.0
"""Brightness up to which a picture is black, letterbox and all."""
_SIZE = (48, 27)


@dataclass(frozen=True)
class Change:
    """The time of the first frame behind a change."""

    time: float
    kind: Literal["cut", "black", "light"]
    """A cut; from here on black; from here on no longer black."""


def changes(path: Path | str, start: float, end: float) -> list[Change]:
    """The changes of the picture between two media times, in order; those at ``start`` included.

    Raises:
        MediaError: where the file cannot be read or has no picture.
    """
    times = np.arange(max(0.0, start - 0.2), end + _GRID, _GRID)
    pictures: list[tuple[float, np.ndarray]] = []
    for frame in frames_at(path, times.tolist(), threads=1):
        if frame is not None and (not pictures or frame.time > pictures[-1][0]):
            pictures.append((frame.time, frame.rgb(_SIZE).mean(axis=2, dtype=np.float32)))
    if len(pictures) < 2:
        return []
    steps = np.array(
        [
            float(np.abs(later - before).mean())
            for (_, before), (_, later) in itertools.pairwise(pictures)
        ]
    )
    black = [float(np.percentile(picture, 98)) <= _BLACK for _, picture in pictures]
    usual = float(np.median(steps))
    found = []
    for number, step in enumerate(steps):
        time = pictures[number + 1][0]
        if not start - 1e-6 <= time <= end + 1e-6:
            continue
        if black[number] != black[number + 1]:
            found.append(Change(time, "black" if black[number + 1] else "light"))
        elif step >= max(_CUT, _STANDS_OUT * usual):
            found.append(Change(time, "cut"))
    return found
