"""Cut segments out of media files, or remove them, with sound in sync.

Mode ``exact`` is exact to the picture and the sound sample. In H.264, HEVC, VP8 and VP9 only few
pictures are encoded again: those from the cut to the next keyframe, and some at the end
(:mod:`clipping.cutting.plan`). All others are copied bit by bit. If that is not possible, or the
check of the written file fails, all pictures are encoded again and a note says so. Sound is always
encoded again, because its packets overlap.

Mode ``copy`` encodes nothing. A cut begins at the keyframe before the wanted start;
``Cut.actual`` says where.

Both ends of a cut fall on the first picture that begins at or after the wanted time, rounded to a
millisecond. So neighbouring cuts share no picture and lose none.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clipping import config
from clipping.cutting.job import Cut, Job, Mode, Progress
from clipping.cutting.selection import Selection, SelectionConfig, select_segments
from clipping.errors import ClippingError, MediaError
from clipping.files import MEDIA_SUFFIXES
from clipping.segments import Segment, Timeline, format_time

if TYPE_CHECKING:
    import rich.progress

__all__ = ["Cut", "CutConfig", "cut", "main", "remove"]

_KEPT_SUFFIXES = frozenset(
    ".m4a .m4v .mka .mkv .mov .mp3 .mp4 .ogg .opus .ts .wav .webm .flac".split()
)
"""Suffixes of sources that the result also gets; after any other suffix it is .mkv."""
_LEFT = "cut"
"""The label in the file name of a result of :func:`remove`."""
_PROG = "python -m clipping cut"


def cut(
    source: Path | str,
    segments: Segment | Timeline | Iterable[Segment],
    *,
    output: Path | str,
    mode: Mode = "exact",
    overwrite: bool = False,
    name: str | None = None,
    progress: Progress | None = None,
) -> list[Cut]:
    """Cut each segment into a file of its own.

    Args:
        segments: in seconds of media time.
        output: a folder; or, for one segment, a file with a media suffix. In a folder the files
            are called ``NAME.LABEL.SUFFIX``; a segment without a label is called by its times.
        mode: ``"exact"`` or ``"copy"``; see the head of this module.
        overwrite: replace files that exist.
        name: replaces the source's name in the file names.
        progress: called with the seconds written so far.

    Raises:
        MediaError: if the source cannot be read or ends before a segment, or if the container of
            the suffix cannot hold its streams.
        ClippingError: if a result exists, is the source, or cannot be written. Results finished
            before stay.
    """
    job = Job(Path(source), mode, overwrite, progress)
    listed = _list(segments)
    targets = _targets(job.source, listed, Path(output), name)
    wanted = [job.inside(segment) for segment in listed]
    job.refuse(targets)
    return [
        job.make(target, [segment], segment)
        for target, segment in zip(targets, wanted, strict=True)
    ]


def remove(
    source: Path | str,
    segments: Segment | Timeline | Iterable[Segment],
    *,
    output: Path | str,
    mode: Mode = "exact",
    overwrite: bool = False,
    name: str | None = None,
    progress: Progress | None = None,
) -> Cut:
    """Write the source without these segments; the rest is joined with sound in sync.

    Arguments and errors are those of :func:`cut`; in a folder the file is called
    ``NAME.cut.SUFFIX``. With ``mode="copy"`` less is removed than was asked for, because each joint
    moves to a keyframe.
    """
    job = Job(Path(source), mode, overwrite, progress)
    target = _targets(job.source, [Segment(0, 1, _LEFT)], Path(output), name)[0]
    kept, position = [], 0.0
    for segment in sorted(job.inside(segment) for segment in _list(segments)):
        if segment.start > position:
            kept.append(Segment(position, segment.start))
        position = max(position, segment.end)
    if position < job.info.duration:
        kept.append(Segment(position, job.info.duration))
    if not kept:
        raise MediaError(f"{source}: nothing would be left")
    job.refuse([target])
    whole = Segment(0.0, job.info.duration)
    return job.make(target, kept, whole, removing=True)


def _list(segments: Segment | Timeline | Iterable[Segment]) -> list[Segment]:
    if isinstance(segments, Timeline):
        segments = segments.segments
    listed = [segments] if isinstance(segments, Segment) else list(segments)
    if not listed:
        raise ClippingError("there are no segments to cut")
    return listed


def _targets(
    source: Path, segments: Sequence[Segment], output: Path, name: str | None
) -> list[Path]:
    """The file of each segment; labels and names cannot lead outside the output folder."""
    if output.suffix.lower() in MEDIA_SUFFIXES and not output.is_dir():
        if len(segments) > 1:
            raise ClippingError(f"{output}: is one file; {len(segments)} segments need a folder")
        return [output]
    suffix = source.suffix.lower() if source.suffix.lower() in _KEPT_SUFFIXES else ".mkv"
    stem = name or source.stem
    uses: Counter[str] = Counter()
    targets = []
    for segment in segments:
        part = _safe(segment.label) or _safe(f"{segment.start:.3f}-{segment.end:.3f}")
        uses[part] += 1
        part = part if uses[part] == 1 else f"{part}.{uses[part]}"
        folder, last = os.path.split(stem)
        # Most file systems allow 255 bytes; the rest is for the suffix and dots.
        room = 240 - len(part.encode())
        last = last.encode(errors="surrogateescape")[:room].decode(errors="ignore")
        targets.append(output / folder / f"{last}.{part}{suffix}")
    return targets


def _safe(label: str) -> str:
    """A label as part of a file name: no separators, no dots at its ends, 60 characters at most."""
    return re.sub(r"[^\w.,+-]+", "_", label).strip("._")[:60]


@dataclass(frozen=True)
class CutConfig(SelectionConfig):
    """Cut segments out of media files, with sound in sync.

    A file that cannot be cut is reported and the others are still cut; the exit code is then 1.
    """

    mode: Mode = "exact"
    """exact: to the picture, encoding as little as possible; copy: from the keyframe before"""
    remove: bool = False
    """remove the segments: write the files without them"""
    output: Path = Path(".")
    """a folder; or a file, if there is one result"""
    overwrite: bool = False
    """replace files that exist"""


def main(argv: Sequence[str] | None = None) -> int:
    """Cut the files of a command line; return 1 if a file failed."""
    settings = config.parse(CutConfig, argv, prog=_PROG, positional="files")
    return config.run(lambda: _run(settings), _PROG)


def _run(settings: CutConfig) -> int:
    import rich.progress
    from rich.console import Console
    from rich.markup import escape

    choices = select_segments(settings)
    if settings.output.suffix.lower() in MEDIA_SUFFIXES and len(choices) > 1:
        raise ClippingError(f"{settings.output}: is one file; {len(choices)} need a folder")
    done: list[tuple[Selection, list[Cut]]] = []
    failed = False
    console = Console(stderr=True)
    with rich.progress.Progress(
        console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        for choice in choices:
            total = sum(segment.duration for segment in choice.segments)
            task = bar.add_task(escape(choice.path.name), total=None if settings.remove else total)
            try:
                if choice.error is not None:
                    raise ClippingError(choice.error)
                show = functools.partial(_show, bar, task)
                done.append((choice, _make(choice, settings, show)))
            except ClippingError as error:
                print(f"{_PROG}: {error}", file=sys.stderr)
                failed = True
            bar.remove_task(task)
    if done:
        _print(done, removing=settings.remove)
    return int(failed)


def _show(bar: rich.progress.Progress, task: rich.progress.TaskID, seconds: float) -> None:
    bar.update(task, completed=seconds)


def _make(choice: Selection, settings: CutConfig, progress: Progress) -> list[Cut]:
    make = remove if settings.remove else cut
    made = make(
        choice.path,
        choice.segments,
        output=settings.output,
        mode=settings.mode,
        overwrite=settings.overwrite,
        name=choice.name,
        progress=progress,
    )
    return [made] if isinstance(made, Cut) else made


def _print(done: Sequence[tuple[Selection, Sequence[Cut]]], *, removing: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_lines=True)
    for heading in ("wanted", "removed" if removing else "cut", "length s", "encoded s"):
        table.add_column(heading, no_wrap=True)
    table.add_column("result", overflow="fold")
    for choice, cuts in done:
        for each in cuts:
            table.add_row(
                _times(choice.segments if removing else [each.wanted]),
                _times(each.removed if removing else [each.actual]),
                f"{each.duration:.3f}",
                f"{each.reencoded_seconds:.3f}",
                escape("\n".join([str(each.path), *each.notes])),
            )
    Console().print(table)


def _times(segments: Sequence[Segment]) -> str:
    times = ((format_time(each.start), format_time(each.end)) for each in segments)
    return "\n".join(itertools.chain.from_iterable(times))


if __name__ == "__main__":
    sys.exit(main())
