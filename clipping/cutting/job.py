"""Cut results from one source: plan, write and check each of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

import av

from clipping.cutting.check import check_cut
from clipping.cutting.picture import JOINABLE, SpliceError
from clipping.cutting.plan import CutSpan, cut_pts, plan_copy, plan_cut, read_picture_packets
from clipping.cutting.sound import Seconds
from clipping.cutting.source import Picture, read_picture_info
from clipping.cutting.write import write_cut
from clipping.errors import ClippingError, MediaError
from clipping.files import atomic_path, require_replaceable
from clipping.media.probe import MediaInfo, probe
from clipping.segments import Segment, format_time

Mode = Literal["exact", "copy"]
Progress = Callable[[float], None]
"""Called with the seconds of the result that are written so far."""

_LATE = 0.5
"""Seconds by which a segment may end after the file; it is then cut off at the file's end."""
_TICK = 1e-3
"""Seconds: a gap up to this long comes from rounding between time bases."""
_LOOK_AHEAD = 2
"""Seconds after an end that are read to find the next picture."""


@dataclass(frozen=True)
class Cut:
    """A result that was written and read back."""

    path: Path
    mode: Mode
    wanted: Segment
    """The segment that was asked for; for :func:`remove` the whole source."""
    actual: Segment
    """The first and last instant of the source that the result holds (media time)."""
    duration: float
    """Seconds, as probed."""
    reencoded_seconds: float
    """Seconds of picture that were encoded again; 0 if all of it was copied."""
    removed: tuple[Segment, ...] = ()
    """The stretches of ``actual`` that the result leaves out, as they were really cut."""
    notes: tuple[str, ...] = ()
    """Sentences on what differs from the source: another codec, a stream that is left out."""


class Job:
    """A source file and the settings with which its results are made."""

    def __init__(
        self, source: Path, mode: Mode, overwrite: bool, progress: Progress | None
    ) -> None:
        if mode not in get_args(Mode):
            raise ValueError(f"a mode is exact or copy, got {mode!r}")
        self.source, self.mode, self.overwrite, self.progress = source, mode, overwrite, progress
        self.info: MediaInfo = probe(source)
        self.picture: Picture | None = read_picture_info(source)

    def inside(self, segment: Segment) -> Segment:
        """The segment, cut off at the end of the source if it ends a little later.

        Raises:
            MediaError: if it begins or ends after the end of the source.
        """
        end = self.info.duration
        if segment.start >= end or segment.end > end + _LATE:
            raise MediaError(
                f"{self.source}: ends at {format_time(end)}, before the end of {segment}"
            )
        return Segment(segment.start, min(segment.end, end), segment.label)

    def refuse(self, targets: Sequence[Path]) -> None:
        """Raise ClippingError if a result may not be written; called before the first one is."""
        for target in targets:
            require_replaceable(target, overwrite=True)
            if target.exists() and os.path.samefile(target, self.source):
                raise ClippingError(f"{target}: is the source; give the output another name")
            require_replaceable(target, overwrite=self.overwrite)

    def make(
        self, target: Path, wanted: Sequence[Segment], whole: Segment, *, removing: bool = False
    ) -> Cut:
        """Write the wanted segments, joined, and read the result back.

        Args:
            whole: the segment of the source that the result stands for.
            removing: ``wanted`` is everything but the segments to remove.
        """
        spans = self._spans(wanted)
        times = [(Fraction(each.start), Fraction(each.end)) for each in wanted]
        if self.picture is not None:
            times = [(self.picture.time(span.start), self.picture.time(span.end)) for span in spans]
        with atomic_path(target) as temporary:
            try:
                reencoded, notes = self._write(temporary, spans, times)
            except av.error.FFmpegError as error:
                raise MediaError(f"{target}: cannot be written: {error.strerror}") from error
            duration = probe(temporary).duration
        edges = [max(0.0, float(edge)) for time in times for edge in time]
        if removing:
            edges = [whole.start, *edges, whole.end]
        gaps = zip(edges[::2], edges[1::2], strict=True) if removing else ()
        return Cut(
            path=target,
            mode=self.mode,
            wanted=whole,
            actual=Segment(max(0.0, float(times[0][0])), float(times[-1][1]), whole.label),
            duration=duration,
            reencoded_seconds=reencoded,
            removed=tuple(Segment(*gap) for gap in gaps if gap[1] - gap[0] > _TICK),
            notes=tuple(notes),
        )

    @property
    def _joins(self) -> bool:
        """True if copied and encoded pictures can be in one stream."""
        return (
            self.picture is not None and self.picture.progressive and self.picture.codec in JOINABLE
        )

    def _spans(self, wanted: Sequence[Segment]) -> list[CutSpan]:
        """The plan of each wanted segment; [] if there is no picture."""
        if self.picture is None:
            return []
        picture, spans = self.picture, []
        for segment in wanted:
            start, end = (picture.ticks(Fraction(time)) for time in (segment.start, segment.end))
            packets = read_picture_packets(picture, start, end + _LOOK_AHEAD / picture.time_base)
            first, last = (cut_pts(packets, edge, picture.time_base) for edge in (start, end))
            if first >= last:
                raise MediaError(f"{self.source}: no picture begins in {segment}")
            if self.mode == "exact":
                spans.append(plan_cut(packets, first, last, join=self._joins))
                continue
            span = plan_copy(packets, first, last, follows=bool(spans))
            if span is None or (spans and span.start < spans[-1].end):
                where = f"what is to be removed before {segment}" if spans else str(segment)
                raise MediaError(
                    f"{self.source}: no keyframe that a copy can start at lies in {where}; "
                    "mode exact can cut there"
                )
            spans.append(span)
        return spans

    def _write(
        self, path: Path, spans: Sequence[CutSpan], times: Sequence[Seconds]
    ) -> tuple[float, list[str]]:
        """Write a result and check it; return the seconds of picture encoded, and notes.

        Copy what can be copied; if that fails or the written file is wrong, encode all pictures.
        """
        picture, copy = self.picture, self.mode == "copy"
        if picture is None:
            notes = write_cut(
                self.source, path, times, None, copy_sound=copy, progress=self.progress
            )
            return 0.0, notes
        parts = [part for span in spans for part in span.parts]
        reason: str | None = None
        copied = [part.copy is not None for part in parts]
        if all(copied) or (any(copied) and self._joins):
            try:
                notes = self._write_picture(path, spans, times, encode=False)
                ticks = sum(part.end - part.start for part in parts if part.copy is None)
                return float(ticks * picture.time_base), notes
            except SpliceError as error:
                reason = str(error)
            if copy:
                raise MediaError(f"{self.source}: cannot be cut without encoding: {reason}")
        try:
            notes = self._write_picture(path, spans, times, encode=True)
        except SpliceError as error:
            raise MediaError(f"{self.source}: the result is wrong: {error}") from error
        note = f"all of the picture was encoded: {reason or _why_encoded(picture)}"
        return float(sum(b - a for a, b in times)), [note, *notes]

    def _write_picture(
        self, path: Path, spans: Sequence[CutSpan], times: Sequence[Seconds], *, encode: bool
    ) -> list[str]:
        """Write and check one attempt.

        Raises:
            SpliceError: if the written file is not the planned one.
        """
        assert self.picture is not None
        notes = write_cut(
            self.source,
            path,
            times,
            (self.picture, spans),
            encode=encode,
            copy_sound=self.mode == "copy",
            progress=self.progress,
        )
        lost = check_cut(path, self.picture, spans, encoded=encode)
        return [f"{lost} damaged pictures are left out", *notes] if lost else notes


def _why_encoded(picture: Picture) -> str:
    if not picture.progressive:
        return "it is interlaced"
    if picture.codec not in JOINABLE:
        return f"{picture.codec} from two encoders cannot stand in one stream"
    return "no keyframe that can be copied from lies between the ends"
