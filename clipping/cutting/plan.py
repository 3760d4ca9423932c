"""Where a cut falls among the pictures of a file, and which of them can be copied.

Times here are ticks: whole multiples of the picture stream's time base, as its packets carry them.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

import av

from clipping.cutting.source import Picture, packet_pts, packets_from
from clipping.media import nal

TOLERANCE = Fraction(1, 2000)
"""Seconds: times are taken to the nearest millisecond, which is what Matroska keeps of them."""
HOLD_SECONDS = Fraction(1, 10)
"""A cut within a picture that is shown longer than this splits it; others wait for the next."""


@dataclass(frozen=True)
class PicturePacket:
    """One packet of the picture, in the order of decoding."""

    pts: int
    duration: int
    keyframe: bool
    clean: bool
    """Decoding can start here even behind other pictures
    (:func:`clipping.media.nal.is_clean_start`)."""
    hidden: bool
    """An edit list leaves it out: it is decoded, not shown."""


@dataclass(frozen=True)
class CutPart:
    """A stretch ``[start, end)`` of the result: packets ``marks[copy]`` as they are, or encoded."""

    start: int
    end: int
    copy: slice | None = None


@dataclass(frozen=True)
class CutSpan:
    """A stretch ``[start, end)`` of the source that is kept, and how its picture is made."""

    start: int
    end: int
    marks: Sequence[PicturePacket]
    parts: tuple[CutPart, ...]

    @property
    def times(self) -> list[int]:
        """When each picture begins; the first one is cut short where it began before ``start``."""
        shown = [mark.pts for mark in self.marks if not mark.hidden]
        inside = {pts for pts in shown if self.start <= pts < self.end}
        held = any(pts < self.start for pts in shown)
        return sorted(inside | ({self.start} if held else set()))

    def copied(self, part: CutPart) -> list[PicturePacket]:
        """The packets of a copied part: without those that are shown before it begins."""
        assert part.copy is not None
        return [mark for mark in self.marks[part.copy] if mark.pts >= part.start]


def read_picture_packets(picture: Picture, start: Fraction, end: Fraction) -> list[PicturePacket]:
    """The picture packets that showing ``[start, end)`` needs, and those up to the next picture."""
    marks: list[PicturePacket] = []
    following = math.inf
    with closing(packets_from(picture, start)) as packets:
        for packet in packets:
            pts = packet_pts(packet)
            if packet.dts is not None and packet.dts >= following:
                break
            if pts >= end:
                following = min(following, pts)
            marks.append(
                PicturePacket(
                    pts,
                    packet.duration or 0,
                    packet.is_keyframe,
                    _clean(picture, packet),
                    packet.is_discard,
                )
            )
    return marks


def snap(marks: Sequence[PicturePacket], wanted: Fraction, time_base: Fraction) -> int:
    """Where a cut at ``wanted`` ticks falls: at the next picture, or within one held long.

    Both ends of every cut move by this one rule, so neighbouring cuts share nothing and lose
    nothing.
    """
    shown = sorted(mark.pts for mark in marks if not mark.hidden)
    place = bisect.bisect_left(shown, wanted - TOLERANCE / time_base)
    near = place < len(shown) and shown[place] - wanted <= HOLD_SECONDS / time_base
    if near and (place > 0 or shown[place] - wanted <= TOLERANCE / time_base):
        return shown[place]
    return round(wanted)


def plan_cut(marks: Sequence[PicturePacket], start: int, end: int, *, join: bool) -> CutSpan:
    """Copy as many pictures of ``[start, end)`` as can be; the rest is to be encoded.

    Args:
        join: encoded and copied pictures may stand in one stream; otherwise all or none is copied.
    """
    whole = CutSpan(start, end, marks, (CutPart(start, end),))
    times = whole.times
    first = next(
        (i for i, mark in enumerate(marks) if mark.clean and start <= mark.pts < end), None
    )
    if first is None or any(mark.hidden for mark in marks[first:]):
        return whole
    last, copied_end = _longest_copy(marks, first, end)
    begin = marks[first].pts
    parts: tuple[CutPart, ...] = (
        CutPart(start, begin),
        CutPart(begin, copied_end, slice(first, last)),
        CutPart(copied_end, end),
    )
    parts = tuple(part for part in parts if any(part.start <= time < part.end for time in times))
    if len(parts) > 1 and not join:
        return whole
    return CutSpan(start, end, marks, parts)


def plan_copy(
    marks: Sequence[PicturePacket], start: int, end: int, *, behind: bool
) -> CutSpan | None:
    """Copy every picture of ``[start, end)``: from the keyframe before it to no hole after it.

    None where no keyframe will do. At the start of a file the first one may come after ``start``.

    Args:
        behind: other pictures come before, so that the keyframe must be a clean one.
    """
    fit = [place for place, mark in enumerate(marks) if (mark.clean if behind else mark.keyframe)]
    before = [place for place in fit if marks[place].pts <= start]
    if not fit or (behind and not before):
        return None
    first = before[-1] if before else fit[0]
    begin = marks[first].pts
    following = _next_shown(marks, first)
    latest, stop, limit = begin, len(marks), math.inf
    for place in range(first, len(marks)):
        latest = max(latest, marks[place].pts)
        if end <= following[place + 1] and latest < following[place + 1]:
            stop, limit = place + 1, following[place + 1]
            break
    held = max(marks[first:stop], key=lambda mark: mark.pts)
    until = int(limit) if math.isfinite(limit) else max(end, held.pts + max(1, held.duration))
    return CutSpan(
        min(begin, start) if not before else begin,
        until,
        marks,
        (CutPart(begin, until, slice(first, stop)),),
    )


def _longest_copy(marks: Sequence[PicturePacket], first: int, end: int) -> tuple[int, int]:
    """Where a copy from ``first`` can stop: the packet, and the time of the next picture.

    Any number of packets in decoding order can be decoded; it must also leave no hole: every
    picture left out is shown after all that are copied.
    """
    following = _next_shown(marks, first)
    stop, latest = first + 1, marks[first].pts
    for place in range(first, len(marks)):
        latest = max(latest, marks[place].pts)
        if latest >= end:
            break
        if latest < following[place + 1]:
            stop = place + 1
    return stop, int(min(following[stop], end))


def _next_shown(marks: Sequence[PicturePacket], first: int) -> list[float]:
    """At each place, when the first picture of ``marks[place:]`` is shown (those before
    ``marks[first]`` do not count)."""
    following = [math.inf] * (len(marks) + 1)
    for place in reversed(range(first, len(marks))):
        counts = marks[place].pts >= marks[first].pts
        following[place] = min(following[place + 1], marks[place].pts if counts else math.inf)
    return following


def _clean(picture: Picture, packet: av.Packet) -> bool:
    if not packet.is_keyframe or picture.codec not in nal.SPLICEABLE:
        return bool(packet.is_keyframe)
    try:
        size = nal.length_size(picture.codec, picture.extradata)
        return nal.is_clean_start(picture.codec, nal.split(bytes(packet), size))
    except ValueError:
        return False
