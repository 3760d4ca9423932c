"""Plan a cut: at which pictures it falls, and which pictures can be copied without encoding.

A compressed picture refers to others, so a copy can begin only at a keyframe. The pictures before
it must be encoded again. Packets are stored in decoding order, which differs from the order they
are shown in: a B picture is shown before the pictures that it refers to. So a copy has no clean
edge at either end:

* In an open GOP (group of pictures), some pictures stored after the keyframe are shown before it
  and refer to the group before ("leading" pictures). They are dropped from the copy and encoded.
* A copy that stops somewhere in decoding order may miss a picture that is shown before one it has:
  a hole. It must stop where every later packet is shown later (:func:`_longest_copy`).

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
"""Seconds: times count as equal within half a millisecond, because Matroska stores milliseconds."""
HOLD_SECONDS = Fraction(1, 10)
"""A picture that is still shown for longer than this after a cut is split by it; otherwise the cut
moves to the next picture."""


@dataclass(frozen=True)
class PicturePacket:
    """One packet of the picture stream; sequences of these are in decoding order."""

    pts: int
    """Presentation timestamp: when the picture is shown, in ticks."""
    duration: int
    keyframe: bool
    clean: bool
    """True if decoding can start here even right after other pictures
    (:func:`clipping.media.nal.is_clean_start`)."""
    hidden: bool
    """True if the MP4 file's edit list (ISO/IEC 14496-12, 8.6.6) leaves the picture out: players
    decode it, because others refer to it, but do not show it."""


@dataclass(frozen=True)
class CutPart:
    """A stretch ``[start, end)`` of the source that is either copied or encoded."""

    start: int
    end: int
    copy: slice | None = None
    """The packets to copy, as a slice of ``CutSpan.packets``; None: encode."""


@dataclass(frozen=True)
class CutSpan:
    """A stretch ``[start, end)`` of the source that is kept, and the parts it is made of."""

    start: int
    end: int
    packets: Sequence[PicturePacket]
    """Those of the stretch and around it, in decoding order."""
    parts: tuple[CutPart, ...]

    @property
    def times(self) -> list[int]:
        """The ticks at which its pictures begin; ``start`` for one that began earlier."""
        shown = [packet.pts for packet in self.packets if not packet.hidden]
        inside = {pts for pts in shown if self.start <= pts < self.end}
        held = any(pts < self.start for pts in shown)
        return sorted(inside | ({self.start} if held else set()))

    def copied(self, part: CutPart) -> list[PicturePacket]:
        """The packets of a copied part, without leading pictures (shown before it begins)."""
        assert part.copy is not None
        return [packet for packet in self.packets[part.copy] if packet.pts >= part.start]


def read_picture_packets(picture: Picture, start: Fraction, end: Fraction) -> list[PicturePacket]:
    """The picture packets needed to show ``[start, end)``, and those up to the next picture."""
    found: list[PicturePacket] = []
    following = math.inf
    with closing(packets_from(picture, start)) as packets:
        for packet in packets:
            pts = packet_pts(packet)
            # No picture is shown before it is decoded: from here on all are shown even later.
            if packet.dts is not None and packet.dts >= following:
                break
            if pts >= end:
                following = min(following, pts)
            found.append(
                PicturePacket(
                    pts,
                    packet.duration or 0,
                    packet.is_keyframe,
                    _clean(picture, packet),
                    packet.is_discard,
                )
            )
    return found


def cut_pts(packets: Sequence[PicturePacket], wanted: Fraction, time_base: Fraction) -> int:
    """The tick at which a cut at ``wanted`` ticks falls.

    That is the begin of the next picture, or ``wanted`` itself if the picture shown there is held
    for longer than ``HOLD_SECONDS`` more. Both ends of every cut move by this one rule, so
    neighbouring cuts share no picture and lose none.
    """
    shown = sorted(packet.pts for packet in packets if not packet.hidden)
    place = bisect.bisect_left(shown, wanted - TOLERANCE / time_base)
    near = place < len(shown) and shown[place] - wanted <= HOLD_SECONDS / time_base
    # Before the first picture nothing is shown, so a cut there moves by rounding only.
    if near and (place > 0 or shown[place] - wanted <= TOLERANCE / time_base):
        return shown[place]
    return round(wanted)


def plan_cut(packets: Sequence[PicturePacket], start: int, end: int, *, join: bool) -> CutSpan:
    """Plan to copy as many pictures of ``[start, end)`` as possible and to encode the rest.

    The result has up to three parts: encode up to the first clean keyframe, copy, encode the few
    pictures at the end that a copy would leave a hole in.

    Args:
        join: True if encoded and copied pictures may be in one stream; otherwise either all
            pictures are copied or all are encoded.
    """
    whole = CutSpan(start, end, packets, (CutPart(start, end),))
    times = whole.times
    first = next(
        (i for i, packet in enumerate(packets) if packet.clean and start <= packet.pts < end), None
    )
    # A copied packet that an edit list hides would be shown: the result has no edit list.
    if first is None or any(packet.hidden for packet in packets[first:]):
        return whole
    last, copied_end = _longest_copy(packets, first, end)
    begin = packets[first].pts
    parts: tuple[CutPart, ...] = (
        CutPart(start, begin),
        CutPart(begin, copied_end, slice(first, last)),
        CutPart(copied_end, end),
    )
    # Parts without a picture are dropped.
    parts = tuple(part for part in parts if any(part.start <= time < part.end for time in times))
    if len(parts) > 1 and not join:
        return whole
    return CutSpan(start, end, packets, parts)


def plan_copy(
    packets: Sequence[PicturePacket], start: int, end: int, *, follows: bool
) -> CutSpan | None:
    """Plan to copy every picture of ``[start, end)`` and to encode nothing.

    The copy begins at the last keyframe at or before ``start`` (at the start of a file: at the
    first keyframe) and stops at the first place after ``end`` that leaves no hole. None if there is
    no such keyframe.

    Args:
        follows: other pictures come before in the result, so the keyframe must be a clean one.
    """
    keyframes = [
        place
        for place, packet in enumerate(packets)
        if (packet.clean if follows else packet.keyframe)
    ]
    before = [place for place in keyframes if packets[place].pts <= start]
    if not keyframes or (follows and not before):
        return None
    first = before[-1] if before else keyframes[0]
    begin = packets[first].pts
    following = _next_shown(packets, first)
    # Stop where nothing that is left out is shown before ``end``, and nothing before the last
    # copied picture: else the result would miss a picture in between.
    latest, stop, limit = begin, len(packets), math.inf
    for place in range(first, len(packets)):
        latest = max(latest, packets[place].pts)
        if end <= following[place + 1] and latest < following[place + 1]:
            stop, limit = place + 1, following[place + 1]
            break
    held = max(packets[first:stop], key=lambda packet: packet.pts)
    until = int(limit) if math.isfinite(limit) else max(end, held.pts + max(1, held.duration))
    return CutSpan(
        min(begin, start) if not before else begin,
        until,
        packets,
        (CutPart(begin, until, slice(first, stop)),),
    )


def _longest_copy(packets: Sequence[PicturePacket], first: int, end: int) -> tuple[int, int]:
    """The longest copy from ``first`` on: the packet it stops before, and the next picture's time.

    A copy can be decoded wherever it stops, because a picture only refers to packets before its
    own. But it must leave no hole: each picture that it leaves out must be shown after all that it
    has. So compare, at each place, the latest picture so far with the earliest one that follows.
    """
    following = _next_shown(packets, first)
    stop, latest = first + 1, packets[first].pts
    for place in range(first, len(packets)):
        latest = max(latest, packets[place].pts)
        if latest >= end:
            break
        if latest < following[place + 1]:
            stop = place + 1
    return stop, int(min(following[stop], end))


def _next_shown(packets: Sequence[PicturePacket], first: int) -> list[float]:
    """For each place, the tick at which the earliest picture of ``packets[place:]`` is shown.

    Leading pictures, shown before ``packets[first]``, do not count; infinity if none is left.
    """
    following = [math.inf] * (len(packets) + 1)
    for place in reversed(range(first, len(packets))):
        counts = packets[place].pts >= packets[first].pts
        following[place] = min(following[place + 1], packets[place].pts if counts else math.inf)
    return following


def _clean(picture: Picture, packet: av.Packet) -> bool:
    """True if decoding can start at a packet even right after other pictures."""
    if not packet.is_keyframe or picture.codec not in nal.SPLICEABLE:
        return bool(packet.is_keyframe)
    try:
        size = nal.length_size(picture.codec, picture.extradata)
        return nal.is_clean_start(picture.codec, nal.split_units(bytes(packet), size))
    except ValueError:
        return False
