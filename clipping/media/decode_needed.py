"""The quick way to the pictures of a video: decode only what the wanted ones need.

Packets are read ahead, not decoded, until it is known which of them holds the picture that is
shown at each wanted time. Then only its group of pictures is decoded, from the key frame to it,
without the pictures that no other one refers to. Nothing is guessed: where a stream breaks a
promise that this rests on, :class:`NeedsAllFrames` says so and every picture has to be decoded.
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
"""Packets of the stream from a keyframe near a media time on; None: from the first packet."""

_REORDER = 17
"""Packets of later pictures after which none of an earlier one can follow.

H.264 (A.3) and HEVC (A.4) hold back 16 pictures at most, all other codecs fewer.
"""
_MAX_PENDING_BYTES = 1 << 27
NEAR = 10.0
"""Seconds from the file's start up to which reading from there beats seeking."""
_BACK = (0.0, 1.0, 3.0, 7.0, 15.0, 31.0)
"""Seconds further back to look for a keyframe where a seek finds one that is too late."""

# Codecs by what their packets promise. Of all others every picture is decoded.
_STARTS_AFRESH = frozenset("h264 hevc vp8 vp9 av1 mpeg1video mpeg2video mjpeg prores".split())
_SKIPS_UNREFERRED = frozenset("h264 hevc mpeg1video mpeg2video".split())
_PROGRESSIVE = (0, 1)  # FFmpeg's AV_FIELD_UNKNOWN and AV_FIELD_PROGRESSIVE


class NeedsAllFrames(Exception):
    """What a wanted picture needs cannot be told; the plain way has to be taken."""


@dataclass(frozen=True)
class _Waiting:
    """A packet that is not decoded yet."""

    packet: av.Packet
    time: float
    fresh: bool
    """Whether decoding can start here."""


def decode_needed(
    stream: av.VideoStream, clock: Clock, begin: Begin, times: Sequence[float]
) -> Iterator[Frame | None]:
    """The frame shown at each of the ascending ``times``, as :func:`frames_at` defines it.

    The times should lie close together: all packets between them are read.

    Raises:
        Unplannable: at the first time for which the stream does not tell; those before are right.
    """
    reader = _Reader(stream, clock)
    plan = _Plan(times)
    for waiting in reader.read(begin, times[0]):
        plan.see(waiting.time)
        reader.hold(waiting)
        yield from reader.answer(plan, plan.resolve())
        if plan.done:
            break
    yield from reader.answer(plan, plan.resolve(ended=True))
    yield from reader.drain(plan)


class _Plan:
    """Which picture is wanted for each time, told from the times of the packets alone."""

    def __init__(self, times: Sequence[float]) -> None:
        self.times = times
        self._next = 0
        self._ahead: list[float] = []
        self.decided = float("-inf")
        """Of pictures up to here it is known whether they are wanted."""
        self.last: float | None = None
        """The time of the stream's last picture, once that is known."""

    @property
    def done(self) -> bool:
        return self._next == len(self.times)

    def see(self, time: float) -> None:
        """Take note of a packet."""
        if time <= self.decided:
            raise NeedsAllFrames("a packet comes too late")
        place = bisect.bisect_left(self._ahead, time)
        if place < len(self._ahead) and self._ahead[place] == time:
            raise NeedsAllFrames("two packets of one time")
        if self._ahead and time - self._ahead[-1] > MAX_JUMP:
            raise NeedsAllFrames("the time jumps")
        self._ahead.insert(place, time)

    def resolve(self, *, ended: bool = False) -> list[tuple[int, float | None]]:
        """(index of a wanted time, time of its picture or None), as far as can be told by now."""
        if ended and self._ahead and not self.done:
            self.last = self._ahead[-1]
        resolved: list[tuple[int, float | None]] = []
        while not self.done:
            wanted = self.times[self._next]
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
    """The decoder, and the packets and pictures that wait on both sides of it."""

    def __init__(self, stream: av.VideoStream, clock: Clock) -> None:
        self._stream, self._clock = stream, clock
        self._codec = stream.codec_context.codec.canonical_name
        interlaced = stream.codec_context.field_order not in _PROGRESSIVE
        if self._codec not in _STARTS_AFRESH or interlaced:
            # The two fields of a picture may lie in two packets.
            raise NeedsAllFrames("not a codec or a scan that can be planned")
        self._skips = self._codec in _SKIPS_UNREFERRED
        self._length_size = nal.length_size(self._codec, stream.codec_context.extradata or b"")
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._floor = float("-inf")
        self._made: deque[Frame] = deque()
        self._answers: deque[tuple[int, float | None]] = deque()

    def read(self, begin: Begin, first: float) -> Iterator[_Waiting]:
        """The packets from a fresh start at or before ``first``."""
        source: Iterator[_Waiting]
        if first <= NEAR:
            source = (self._look(packet) for packet in begin(None))
            head = next(source, None)
            if head is None or not head.fresh:
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
        for back in _BACK:
            source = begin(max(0.0, first - back))
            key = next((packet for packet in source if packet.is_keyframe), None)
            if key is None:
                continue
            start = self._look(key)
            if start.time <= first + EPSILON:
                if not start.fresh:
                    break
                return (self._look(packet) for packet in source), start
        raise NeedsAllFrames("no keyframe before the first wanted time")

    def _look(self, packet: av.Packet) -> _Waiting:
        if packet.pts is None:
            raise NeedsAllFrames("a packet without a time")
        if packet.is_corrupt:
            raise NeedsAllFrames("a damaged packet")
        fresh = packet.is_keyframe
        if self._codec in nal.SPLICEABLE:
            fresh = self._look_inside(packet)
        return _Waiting(packet, self._clock.time(packet.pts), fresh)

    def _look_inside(self, packet: av.Packet) -> bool:
        """Whether decoding can start at an H.264 or HEVC packet."""
        if not packet.is_keyframe and self._codec == "h264":
            return False
        try:
            units = nal.split(bytes(packet), self._length_size)
        except ValueError as error:
            raise NeedsAllFrames("a damaged packet") from error
        if self._codec == "hevc" and any(nal.is_upper_layer(unit) for unit in units):
            self._skips = False  # upper layers may refer to what lower ones do not
        return packet.is_keyframe and (
            nal.is_clean_start(self._codec, units) or nal.recovers_at_once(self._codec, units)
        )

    def hold(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self._waiting_bytes += waiting.packet.size + PACKET_BYTES
        if self._waiting_bytes > _MAX_PENDING_BYTES:
            raise NeedsAllFrames("too much lies between two wanted times")

    def answer(
        self, plan: _Plan, resolved: Sequence[tuple[int, float | None]]
    ) -> Iterator[Frame | None]:
        """Decode up to the pictures that are wanted; what comes out of it by now."""
        self._answers.extend(resolved)
        targets = {target for _, target in resolved if target is not None}
        for target in sorted(targets):
            self._feed(target, targets, plan)
            yield from self._deliver(plan)
        yield from self._deliver(plan)

    def drain(self, plan: _Plan) -> Iterator[Frame | None]:
        """What the decoder still holds."""
        self._decode(None, plan)
        yield from self._deliver(plan)
        if self._answers:
            raise NeedsAllFrames("a wanted picture did not come out")

    def _feed(self, target: float, targets: set[float], plan: _Plan) -> None:
        """Decode the packets up to the one of ``target``, from the last fresh start before it."""
        times = [waiting.time for waiting in self._waiting]
        if target not in times:
            return  # it was decoded on the way to another one
        end = times.index(target) + 1
        start = max(
            (i for i in range(end) if self._waiting[i].fresh and times[i] <= target), default=0
        )
        if start > 0:
            # Pictures that are left out would be missed: the decoder has to begin anew.
            self._decode(None, plan)
            self._stream.codec_context.flush_buffers()
            self._floor = times[start]
        for index in range(end):
            waiting = self._waiting.popleft()
            self._waiting_bytes -= waiting.packet.size + PACKET_BYTES
            if index < start or waiting.time < self._floor:
                continue
            needed = waiting.time in targets or waiting.time > plan.decided
            skip = self._skips and not needed
            self._stream.codec_context.skip_frame = "NONREF" if skip else "DEFAULT"
            self._decode(waiting.packet, plan)

    def _decode(self, packet: av.Packet | None, plan: _Plan) -> None:
        """Keep the pictures that are wanted, or may turn out to be."""
        try:
            pictures = self._stream.decode(packet)
        except av.error.FFmpegError as error:
            raise NeedsAllFrames("a packet does not decode") from error
        targets = {target for _, target in self._answers}
        for picture in pictures:
            if picture.pts is None or picture.is_corrupt or picture.interlaced_frame:
                raise NeedsAllFrames("a picture that cannot be trusted")
            time = self._clock.time(picture.pts)
            if time in targets or time > plan.decided:
                self._made.append(self._clock.frame(picture, time))

    def _deliver(self, plan: _Plan) -> Iterator[Frame | None]:
        while self._answers:
            index, target = self._answers[0]
            if target is None:
                self._answers.popleft()
                yield None
                continue
            while self._made and self._made[0].time < target:
                self._made.popleft()
            if not self._made:
                return
            frame = self._made[0]
            if frame.time > target:
                raise NeedsAllFrames("a wanted picture did not come out")
            self._answers.popleft()
            over = target == plan.last and plan.times[index] >= target + frame.duration - EPSILON
            yield None if over else frame
