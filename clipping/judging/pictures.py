"""What an episode shows, small and inside the page: a strip below its axis, close looks at ends."""

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
"""Pictures in a strip, evenly over the case."""
STRIP_SIZE = (60, 45)
"""Width and height of each in pixels."""
CLOSE_SIZE = (88, 66)
CLOSE = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Seconds around an end of which pictures are shown."""
CLOSE_LOOKS = 8
"""At most of a case."""
FINE_SECONDS = 0.5
"""Ends that are no further off are not looked at."""
QUALITY = 78
"""Of JPEG."""
GAP = 2
"""Pixels between close looks."""
_NOTHING = 96
"""Grey that stands where no picture is."""


@dataclass(frozen=True)
class Closeup:
    """Pictures in a row, and what they are of."""

    told: str
    data: str
    """A ``data:`` address."""


@dataclass(frozen=True)
class CasePictures:
    """What is shown of a case."""

    strip: str = ""
    """A ``data:`` address; empty where there are no pictures."""
    looks: tuple[Closeup, ...] = ()
    problem: str = ""
    """Why there are none."""


def of_media(path: Path) -> Pictures:
    """The pictures of a media file."""

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
    """The strip of a case, and close looks at the ends that are off, true and said."""
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
        Closeup(told, _row([shown[each] for each in wanted[time]], CLOSE_SIZE, GAP))
        for told, time in closer
    )
    return CasePictures(_row([shown[time] for time in even], STRIP_SIZE), tuple(looks))


def _closer(judged: Judged) -> list[tuple[str, float]]:
    """What to look at closely: the ends that are off or alone, and where they are."""
    found: list[tuple[str, float]] = []
    for said, true in judged.pairs:
        for side in ("start", "end"):
            ends = [("true", _time(true, side)), ("said", _time(said, side))]
            known = [time for _, time in ends if time is not None]
            if len(known) == 2 and abs(known[0] - known[1]) <= FINE_SECONDS:
                continue
            if len(known) == 1 and said is not None and true is not None:
                continue  # one of them does not speak of this end
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
    """Pictures side by side, as a ``data:`` address."""
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


def describe(case: Case) -> str:
    """How long a case is and where it begins, in words."""
    return f"{clock(case.begin)} to {clock(case.begin + case.length)}"
