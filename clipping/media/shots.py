"""Find abrupt changes of the picture, to the frame: cuts, and where black begins and ends.

A cut is a jump of brightness from one frame to the next that is large by itself and large compared
with the other steps of the region. The second test keeps a pan or a flicker, in which every step is
large, from being taken for a row of cuts. Content-aware thresholds of this kind are usual (for
example PySceneDetect's AdaptiveDetector).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from clipping.media.frames import frames_at

_GRID = 0.01
"""Seconds between looks; no frame of real media is shown for less, so none is missed."""
_CUT = 18.0
"""Smallest mean difference of brightness (of 255) between the two frames of a cut."""
_STANDS_OUT = 3.0
"""Smallest ratio of a cut's difference to the median difference of the region."""
_BLACK = 20.0
"""Highest brightness (of 255) of a black picture; 2 % of its pixels may be brighter."""
_SIZE = (48, 27)
"""Width and height, in pixels, at which pictures are compared."""


@dataclass(frozen=True)
class Change:
    """An abrupt change of the picture."""

    time: float
    """Media time, in seconds, of the first frame after the change."""
    kind: Literal["cut", "black", "light"]
    """``"cut"``; ``"black"``: black begins here; ``"light"``: black ends here."""


def changes(path: Path | str, start: float, end: float) -> list[Change]:
    """The changes of the picture in ``[start, end]`` (media time), in order.

    Raises:
        MediaError: if the file cannot be read or has no picture.
    """
    # Begin a little earlier, so that a change at ``start`` itself has a frame before it.
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
