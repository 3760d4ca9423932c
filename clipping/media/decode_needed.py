"""Read frames the quick way: decode only the packets that the wanted frames need.

The time of a picture stands in its packet, so it can be read without decoding:

1. Read packets ahead, without decoding them, until the picture shown at a wanted time is certain
   (``_Plan``).
2. Decode from the last keyframe before it up to it. Whole groups of pictures between two wanted
   times are skipped.
3. On that way, skip the pictures that no other picture refers to ("unreferenced", usually B
   pictures): nothing else needs them. FFmpeg does this itself (``skip_frame = NONREF``).

The result must equal decoding everything, bit for bit. So nothing is guessed: if a stream breaks
one of the rules that these steps rely on, :class:`NeedsAllFrames` is raised and the caller decodes
every picture (:mod:`clipping.media.decode_all`).
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import av

from clipping.media import nal
from clipping.media.container import MAX_JUMP, PACKET_BYTES
from clipping.media.decode_all import EPSILON, LATE_START
from clipping.media.picture import Clock, Frame

Begin = Callable[[float | None], Iterator[av.Packet]]
"""Reads the packets of the stream from a keyframe near a media time on; None: from the first."""

_REORDER = 17
"""Packets of later pictures after which no packet of an earlier picture can follow.

Packets are stored in decoding order, which is not the order they are shown in. But a decoder holds
back at most 16 pictures in H.264 (ITU-T H.264, A.3) and HEVC (H.265, A.4), fewer in other codecs.
So once 17 packets lie after a wanted time, the picture shown at that time is certain.
"""
_MAX_PENDING_BYTES = 1 << 27
"""Most bytes of packets that wait to be decoded."""
NEAR = 10.0
"""Seconds from the file's start within which reading from there is cheaper than a seek."""
_BACK = (0.0, 1.0, 3.0, 7.0, 15.0, 31.0)
"""Seconds to go back, one after the other, if a seek finds a keyframe that is too late."""

# Codecs by what their packets tell. With any other codec every picture is decoded.
_KEYFRAME_RESETS = frozenset("h264 hevc vp8 vp9 av1 mpeg1video mpeg2video mjpeg prores".split())
"""A keyframe can be decoded without anything before it (H.264, HEVC: seen from its NAL units)."""
_UNREFERENCED_MARKED = frozenset("h264 hevc mpeg1video mpeg2video".split())
"""FFmpeg sees from a packet's header that no other picture refers to it, and can skip it."""
_PROGRESSIVE = (0, 1)  # FFmpeg's AV_FIELD_UNKNOWN and AV_FIELD_PROGRESSIVE


class NeedsAllFrames(Exception):
    """The packets do not tell what a wanted picture needs; every picture has to be decoded."""


@dataclass(frozen=True)
class _Waiting:
    """A packet that is not decoded yet."""

    packet: av.Packet
    time: float
    """Media time of its picture, in seconds."""
    is_entry: bool
    """True if decoding can start at this packet."""


def decode_needed(
    stream: av.VideoStream, clock: Clock, begin: Begin, times: Sequence[float]
) -> Iterator[Frame | None]:
    """The frame shown at each of the ascending ``times``, as ``frames_at`` defines it.

    The times should lie close together: all packets between them are read.

    Raises:
        NeedsAllFrames: at the first time whose frame cannot be found this way; the frames
            returned before are right.
    """
    reader = _Reader(stream, clock)
    plan = _Plan(times)
    for waiting in reader.read(begin, times[0]):
        plan.add(waiting.time)
        reader.hold(waiting)
        yield from reader.answer(plan, plan.resolve())
        if plan.done:
            break
    yield from reader.answer(plan, plan.resolve(ended=True))
    yield from reader.drain(plan)


class _Plan:
    """Finds the picture that is shown at each wanted time, from the times of the packets alone."""

    def __init__(self, times: Sequence[float]) -> None:
        self.times = times
        self._next = 0
        self._ahead: list[float] = []
        """Times of the pictures that were read and may be shown at the next wanted time, sorted."""
        self.decided = float("-inf")
        """Media time up to which it is decided which pictures are wanted."""
        self.last: float | None = None
        """Media time of the stream's last picture, once that is known."""

    @property
    def done(self) -> bool:
        return self._next == len(self.times)

    def add(self, time: float) -> None:
        """Add the time of the next packet."""
        if time <= self.decided:
            raise NeedsAllFrames("a packet comes too late")
        place = bisect.bisect_left(self._ahead, time)
        if place < len(self._ahead) and self._ahead[place] == time:
            raise NeedsAllFrames("two packets of one time")
        if self._ahead and time - self._ahead[-1] > MAX_JUMP:
            raise NeedsAllFrames("the time jumps")
        self._ahead.insert(place, time)

    def resolve(self, *, ended: bool = False) -> list[tuple[int, float | None]]:
        """(index of a wanted time, time of its picture or None), as far as is certain by now.

        Args:
            ended: there are no more packets, so everything is certain.
        """
        if ended and self._ahead and not self.done:
            self.last = self._ahead[-1]
        resolved: list[tuple[int, float | None]] = []
        while not self.done:
            wanted = self.times[self._next]
            # ``shown`` pictures begin at or before the wanted time; the last of them is shown then.
            # Packets come in decoding order, so a picture between may still follow: it is certain
            # only when enough later pictures were read.
            shown = bisect.bisect_right(self._ahead, wanted + EPSILON)
            if len(self._ahead) - shown < _REORDER and not ended:
                break
            target = self._ahead[shown - 1] if shown else None
            if not shown and self._ahead and self._ahead[0] <= wanted + LATE_START:
                target = self._ahead[0]
            resolved.append((self._next, target))
            # The shown picture stays: it may be shown at the next time too.
            del self._ahead[: max(0, shown - 1)]
            self.decided = max(wanted + EPSILON, target or wanted)
            self._next += 1
        return resolved


class _Reader:
    """The decoder with its two queues: packets that wait to be decoded, pictures to be returned."""

    def __init__(self, stream: av.VideoStream, clock: Clock) -> None:
        self._stream, self._clock = stream, clock
        self._codec = stream.codec_context.codec.canonical_name
        interlaced = stream.codec_context.field_order not in _PROGRESSIVE
        if self._codec not in _KEYFRAME_RESETS or interlaced:
            # Interlaced: the two fields of one picture may lie in two packets.
            raise NeedsAllFrames("not a codec or a scan that can be planned")
        self._skips = self._codec in _UNREFERENCED_MARKED
        self._length_size = nal.length_size(self._codec, stream.codec_context.extradata or b"")
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._floor = float("-inf")
        """Time of the keyframe that decoding began at. Pictures shown before it but stored after
        it (leading pictures of an open GOP) refer to the group before and are dropped."""
        self._made: deque[Frame] = deque()
        self._resolved: deque[tuple[int, float | None]] = deque()

    def read(self, begin: Begin, first: float) -> Iterator[_Waiting]:
        """The packets from an entry point (``is_entry``) at or before ``first`` on."""
        source: Iterator[_Waiting]
        if first <= NEAR:
            source = (self._inspect(packet) for packet in begin(None))
            head = next(source, None)
            if head is None or not head.is_entry:
                raise NeedsAllFrames("the first packet is no keyframe")
            start = head
        else:
            source, start = self._seek(begin, first)
        self._floor = start.time
        yield start
        for waiting in source:
            if waiting.time >= self._floor:
                yield waiting
            elif first <= NEAR:
                raise NeedsAllFrames("pictures before the first keyframe")

    def _seek(self, begin: Begin, first: float) -> tuple[Iterator[_Waiting], _Waiting]:
        """The last keyframe at or before ``first``, and the packets after it."""
        for back in _BACK:
            source = begin(max(0.0, first - back))
            key = next((packet for packet in source if packet.is_keyframe), None)
            if key is None:
                continue
            start = self._inspect(key)
            if start.time <= first + EPSILON:
                if not start.is_entry:
                    break
                return (self._inspect(packet) for packet in source), start
        raise NeedsAllFrames("no keyframe before the first wanted time")

    def _inspect(self, packet: av.Packet) -> _Waiting:
        """The time of a packet, and whether decoding can start there; it must be undamaged."""
        if packet.pts is None:
            raise NeedsAllFrames("a packet without a time")
        if packet.is_corrupt:
            raise NeedsAllFrames("a damaged packet")
        is_entry = packet.is_keyframe
        if self._codec in nal.SPLICEABLE:
            is_entry = self._is_entry(packet)
        return _Waiting(packet, self._clock.time(packet.pts), is_entry)

    def _is_entry(self, packet: av.Packet) -> bool:
        """True if decoding can start at an H.264 or HEVC packet; its NAL units tell.

        The container's keyframe flag is not enough: writers also set it for I pictures after which
        pictures still refer to earlier ones.
        """
        if not packet.is_keyframe and self._codec == "h264":
            return False
        try:
            units = nal.split_units(bytes(packet), self._length_size)
        except ValueError as error:
            raise NeedsAllFrames("a damaged packet") from error
        if self._codec == "hevc" and any(nal.is_upper_layer(unit) for unit in units):
            # FFmpeg takes a picture for unreferenced if its own sub-layer does not refer to it;
            # pictures of an upper sub-layer may. So skip nothing in such streams.
            self._skips = False
        return packet.is_keyframe and (
            nal.is_clean_start(self._codec, units) or nal.recovers_at_once(self._codec, units)
        )

    def hold(self, waiting: _Waiting) -> None:
        """Put a packet into the queue of those that wait to be decoded."""
        self._waiting.append(waiting)
        self._waiting_bytes += waiting.packet.size + PACKET_BYTES
        if self._waiting_bytes > _MAX_PENDING_BYTES:
            raise NeedsAllFrames("too much lies between two wanted times")

    def answer(
        self, plan: _Plan, resolved: Sequence[tuple[int, float | None]]
    ) -> Iterator[Frame | None]:
        """Decode up to the wanted pictures; return the frames that the decoder gives by now."""
        self._resolved.extend(resolved)
        targets = {target for _, target in resolved if target is not None}
        for target in sorted(targets):
            self._feed(target, targets, plan)
            yield from self._deliver(plan)
        yield from self._deliver(plan)

    def drain(self, plan: _Plan) -> Iterator[Frame | None]:
        """Flush the decoder and return the frames that it still holds."""
        self._decode(None, plan)
        yield from self._deliver(plan)
        if self._resolved:
            raise NeedsAllFrames("a wanted picture did not come out")

    def _feed(self, target: float, targets: set[float], plan: _Plan) -> None:
        """Decode the packets up to the one of ``target``, from the last entry point before it.

        If there is none among the waiting packets, go on where the decoder stands.
        """
        times = [waiting.time for waiting in self._waiting]
        if target not in times:
            return  # it was decoded on the way to another one
        end = times.index(target) + 1
        start = max(
            (i for i in range(end) if self._waiting[i].is_entry and times[i] <= target), default=0
        )
        if start > 0:
            # The packets before ``start`` are skipped. Empty the decoder first, or it would look
            # for references in pictures that it never got.
            self._decode(None, plan)
            self._stream.codec_context.flush_buffers()
            self._floor = times[start]
        for index in range(end):
            waiting = self._waiting.popleft()
            self._waiting_bytes -= waiting.packet.size + PACKET_BYTES
            if index < start or waiting.time < self._floor:
                continue
            # A picture after ``decided`` may still turn out to be wanted. Of the others only the
            # references of wanted pictures matter.
            needed = waiting.time in targets or waiting.time > plan.decided
            skip = self._skips and not needed
            self._stream.codec_context.skip_frame = "NONREF" if skip else "DEFAULT"
            self._decode(waiting.packet, plan)

    def _decode(self, packet: av.Packet | None, plan: _Plan) -> None:
        """Decode a packet (None: flush) and keep the pictures that are or may become wanted."""
        try:
            pictures = self._stream.decode(packet)
        except av.error.FFmpegError as error:
            raise NeedsAllFrames("a packet does not decode") from error
        targets = {target for _, target in self._resolved}
        for picture in pictures:
            if picture.pts is None or picture.is_corrupt or picture.interlaced_frame:
                raise NeedsAllFrames("a picture that cannot be trusted")
            time = self._clock.time(picture.pts)
            if time in targets or time > plan.decided:
                self._made.append(self._clock.frame(picture, time))

    def _deliver(self, plan: _Plan) -> Iterator[Frame | None]:
        """The frames of the resolved times, in order, as far as they are decoded."""
        while self._resolved:
            index, target = self._resolved[0]
            if target is None:
                self._resolved.popleft()
                yield None
                continue
            while self._made and self._made[0].time < target:
                self._made.popleft()
            if not self._made:
                return
            frame = self._made[0]
            if frame.time > target:
                raise NeedsAllFrames("a wanted picture did not come out")
            self._resolved.popleft()
            # Nothing is shown after the stream's last picture has ended.
            ended = target == plan.last and plan.times[index] >= target + frame.duration - EPSILON
            yield None if ended else frame
