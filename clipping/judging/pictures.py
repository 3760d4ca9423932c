"""Pictures of a case for a report: a strip over all of it, and close-ups of its wrong ends."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clipping.errors import ClippingError
from clipping.judging.judgement import Case, Judged, JudgedSpan, Pictures
from clipping.segments import clock

STRIP = 20
"""Number of pictures in a strip, evenly over the case."""
STRIP_SIZE = (60, 45)
"""Width and height of each picture of a strip in pixels."""
CLOSE_SIZE = (88, 66)
"""Width and height of each picture of a close-up in pixels."""
CLOSE = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Moments of a close-up, in seconds from the end that it shows."""
CLOSE_LOOKS = 8
"""Most close-ups of a case."""
FINE_SECONDS = 0.5
"""Largest error, in seconds, of an end that gets no close-up."""
QUALITY = 78
"""JPEG quality."""
GAP = 2
"""Pixels between the pictures of a close-up."""
_NOTHING = 96
"""Grey level in place of a missing picture."""


@dataclass(frozen=True)
class Closeup:
    """Pictures in a row around one end."""

    text: str
    data: str
    """The picture as a ``data:`` URL."""


@dataclass(frozen=True)
class CasePictures:
    """Pictures of a case on the page."""

    strip: str = ""
    """The strip as a ``data:`` URL; empty without pictures."""
    looks: tuple[Closeup, ...] = ()
    problem: str = ""
    """Error message if the pictures could not be read."""


def of_media(path: Path) -> Pictures:
    """Return a function that reads the pictures of a media file."""

    def pictures(times: Sequence[float]) -> list[np.ndarray | None]:
        from clipping.media.frames import frames_at

        height = CLOSE_SIZE[1]
        found: list[np.ndarray | None] = []
        for frame in frames_at(path, times):
            if frame is None:
                found.append(None)
                continue
            wide, high = frame.size
            found.append(frame.rgb((max(1, min(4 * height, round(height * wide / high))), height)))
        return found

    return pictures


def picture_case(judged: Judged) -> CasePictures:
    """Return the strip of a case, and close-ups of the wrong ends, labelled and predicted."""
    case = judged.case
    if case.pictures is None:
        return CasePictures()
    even = [case.begin + case.length * (number + 0.5) / STRIP for number in range(STRIP)]
    closer = _closer(judged)
    wanted = {time: [max(0.0, time + each) for each in CLOSE] for _, time in closer}
    times = sorted({*even, *(each for around in wanted.values() for each in around)})
    try:
        shown = dict(zip(times, case.pictures(times), strict=True))
    except ClippingError as error:
        return CasePictures(problem=str(error))
    looks = (
        Closeup(text, _row([shown[each] for each in wanted[time]], CLOSE_SIZE, GAP))
        for text, time in closer
    )
    return CasePictures(_row([shown[time] for time in even], STRIP_SIZE), tuple(looks))


def _closer(judged: Judged) -> list[tuple[str, float]]:
    """Return (caption, time) of the ends to show closely: wrong ones and unpaired ones."""
    found: list[tuple[str, float]] = []
    for said, true in judged.pairs:
        for side in ("start", "end"):
            ends = [("true", _time(true, side)), ("said", _time(said, side))]
            known = [time for _, time in ends if time is not None]
            if len(known) == 2 and abs(known[0] - known[1]) <= FINE_SECONDS:
                continue
            if len(known) == 1 and said is not None and true is not None:
                continue  # this end is not labelled, or not predicted
            role = (said or true or _nobody).role
            found += [
                (f"{who} {side} of the {role}, {clock(time, 2)}", time)
                for who, time in ends
                if time is not None
            ]
    return found[:CLOSE_LOOKS]


_nobody = JudgedSpan("", None, None)


def _time(span: JudgedSpan | None, side: str) -> float | None:
    if span is None:
        return None
    return span.start if side == "start" else span.end


def _row(pictures: Sequence[np.ndarray | None], size: tuple[int, int], gap: int = 0) -> str:
    """Return pictures side by side as a ``data:`` URL."""
    from PIL import Image

    width, height = size
    row = Image.new("RGB", ((width + gap) * len(pictures) - gap, height), (_NOTHING,) * 3)
    for number, picture in enumerate(pictures):
        if picture is None:
            continue
        image = Image.fromarray(np.ascontiguousarray(picture))
        scale = min(width / image.width, height / image.height)
        small = image.resize(
            (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        )
        left, top = (width - small.width) // 2, (height - small.height) // 2
        begin = number * (width + gap)
        row.paste((0, 0, 0), (begin, 0, begin + width, height))
        row.paste(small, (begin + left, top))
    data = io.BytesIO()
    row.save(data, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


def case_span(case: Case) -> str:
    """Return begin and end of a case as text: ``0:00 to 3:20``."""
    return f"{clock(case.begin)} to {clock(case.begin + case.length)}"
