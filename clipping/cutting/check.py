"""Check a written cut: every picture is at its time, and copied ones equal the source's.

Joining may fail for unusual or damaged streams, so each written file is checked. All its packets
are read; pictures are decoded only near each seam, where copied and encoded parts meet.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import numpy as np

from clipping.cutting.picture import SpliceError
from clipping.cutting.plan import CutSpan
from clipping.cutting.source import Picture, frames_from, open_stream, packet_pts, read_picture_info
from clipping.media.container import open_media, packets

_LOOK_SECONDS = Fraction(1, 4)
"""Seconds decoded on both sides of each seam (where copied and encoded pictures meet)."""
_PRIMING = Fraction(1, 10)
"""Seconds: longer than the delay (priming) of any sound encoder."""
_ROUNDING = Fraction(2, 1000)
"""Seconds: the error of two roundings to the millisecond, the coarsest time base (Matroska)."""


def check_cut(result: Path, picture: Picture, spans: Sequence[CutSpan], *, encoded: bool) -> int:
    """Read a result back; return the number of damaged source pictures that it leaves out.

    Args:
        encoded: all pictures were encoded, also those that the plans copy.

    Raises:
        SpliceError: if a picture is missing or at a wrong time, or a copied one has changed.
    """
    made = read_picture_info(result)
    if made is None:
        raise SpliceError("it has no picture")
    times: list[tuple[Fraction, int | None]] = []
    seams: set[Fraction] = set()
    offset = 0
    for span in spans:
        shift = offset - span.start
        for part in span.parts:
            kept = part.copy is not None and not encoded
            seams |= {(edge + shift) * picture.time_base for edge in (part.start, part.end)}
            times += [
                ((pts + shift) * picture.time_base, pts if kept else None)
                for pts in span.times
                if part.start <= pts < part.end
            ]
        offset += span.end - span.start
    found = _packet_times(made)
    # A sound encoder's first packet may hold only priming samples, before time 0. MPEG-TS cannot
    # mark it, so media time begins with it and all pictures are a little later.
    late = found[0] - times[0][0] if found else Fraction(0)
    late = late if abs(late) <= _PRIMING else Fraction(0)
    times = [(time + late, pts) for time, pts in times]
    # Damaged pictures of the source were not decoded, so they cannot have been encoded.
    present = [item for item in times if _is_near(item[0], found)] if encoded else times
    if not found or len(found) != len(present):
        raise SpliceError(f"it has {len(found)} pictures, not {len(times)}")
    for at, (time, _) in zip(found, present, strict=True):
        if abs(at - time) > _ROUNDING:
            raise SpliceError(f"a picture is at {float(at):.3f} s, not at {float(time):.3f} s")
    if not encoded:
        for seam in sorted(seams):
            _check_seam(seam + late, times, picture, made)
    return len(times) - len(present)


def _check_seam(
    seam: Fraction, times: Sequence[tuple[Fraction, int | None]], picture: Picture, made: Picture
) -> None:
    """Decode on both sides of a seam and compare copied pictures with the source's."""
    near = [item for item in times if abs(item[0] - seam) <= _LOOK_SECONDS]
    if not near:
        return
    decoded = [
        (made.time(pts), luma)
        for pts, luma in _decode(made, *(made.ticks(near[i][0]) for i in (0, -1)))
    ]
    kept = [pts for _, pts in near if pts is not None]
    originals = dict(_decode(picture, Fraction(min(kept)), Fraction(max(kept)))) if kept else {}
    for time, pts in near:
        if pts is not None and pts not in originals:
            continue  # damaged in the source
        luma = next((each for at, each in decoded if abs(at - time) <= _ROUNDING), None)
        if luma is None:
            raise SpliceError(f"the picture at {float(time):.3f} s cannot be decoded")
        if pts is not None and not np.array_equal(luma, originals[pts]):
            raise SpliceError(f"the picture at {float(time):.3f} s was copied but looks different")


def _decode(picture: Picture, first: Fraction, last: Fraction) -> Iterator[tuple[int, np.ndarray]]:
    """(tick, brightness plane) of the pictures shown from ``first`` to ``last`` ticks."""
    rounding = _ROUNDING / picture.time_base
    with closing(frames_from(picture, math.floor(first + rounding))) as frames:
        for pts, frame in frames:
            if pts > last + rounding:
                break
            if pts >= first - rounding:
                plane = frame.planes[0]
                rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
                yield pts, rows[:, : plane.width * frame.format.components[0].bits // 8].copy()


def _packet_times(picture: Picture) -> list[Fraction]:
    with open_media(picture.path) as container:
        stream = open_stream(container, picture)
        return sorted(picture.time(packet_pts(packet)) for packet in packets(container, stream))


def _is_near(time: Fraction, found: Sequence[Fraction]) -> bool:
    """True if a time of ``found`` (sorted) equals ``time`` up to rounding."""
    place = bisect.bisect_left(found, time - _ROUNDING)
    return place < len(found) and found[place] <= time + _ROUNDING
