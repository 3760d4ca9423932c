"""``python -m clipping shared``: find the stretches that media files share."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clipping import config
from clipping.errors import ClippingError, MediaError
from clipping.files import find_media, require_output, write_json
from clipping.repeats.file_fingerprint import FileFingerprint, SharedSettings, make_fingerprint
from clipping.repeats.fingerprint import Fingerprint, Kind
from clipping.repeats.matching import MatchRun, Tolerance, match
from clipping.repeats.refine import Placed, refine
from clipping.repeats.refine_picture import refine_pictures
from clipping.segments import Segment, format_time

__all__ = ["Place", "Shared", "SharedReport", "SharedSettings", "compare", "shared", "swapped"]

VERSION = 2
"""Raised when the same files give other stretches, so that cached comparisons are made again."""
_PROG = "python -m clipping shared"
_COARSE_SECONDS = 1.0
"""Seconds by which a fingerprint may find a stretch too short. So matching allows stretches shorter
by this, and their length is checked when the exact ends are known."""
_ONE_OFFSET = 0.05
"""Largest difference, in seconds, between the offsets of two parts of one stretch."""
_SAME_PLACE = 0.5
"""A stretch found by picture is left out if stretches found by sound cover this fraction of it."""


@dataclass(frozen=True)
class Place:
    """A span of one file, in seconds of media time."""

    file: Path
    segment: Segment


@dataclass(frozen=True)
class Shared:
    """A stretch that two files share."""

    a: Place
    b: Place
    offset: float
    """Seconds to add to a time in a to get the same moment in b."""
    score: float
    """Agreement of the fingerprints: 0 as unrelated files, 1 equal."""
    by: Kind
    """The fingerprint that it was found by."""
    exact: bool = False
    """True if the ends were found in the waveforms; False if they are as rough as fingerprints."""


@dataclass(frozen=True)
class SharedReport:
    """The result of :func:`shared`."""

    found: tuple[Shared, ...]
    errors: tuple[str, ...] = ()
    """A message for each file, or pair of files, that could not be read."""


def shared(
    files: Sequence[Path | str],
    settings: SharedSettings | None = None,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SharedReport:
    """Find the stretches that each pair of the files shares, by sound and by picture.

    A stretch that occurs twice in a file is found twice; the matches of a loop with its own
    repetitions are left out. A stretch at another speed (PAL's 4 %) is not found. Files that cannot
    be read get a message in ``errors``, and the others are still compared.

    Args:
        progress: called with (steps done, all steps).
    """
    settings = settings or SharedSettings()
    paths = [Path(file) for file in files]
    total = len(paths) + len(paths) * (len(paths) - 1) // 2
    errors: list[str] = []
    fingerprints: list[FileFingerprint] = []
    for number, path in enumerate(paths):
        try:
            fingerprints.append(make_fingerprint(path, settings))
        except MediaError as error:
            errors.append(str(error))
        progress(number + 1, total)
    found: list[Shared] = []
    for number, (a, b) in enumerate(itertools.combinations(fingerprints, 2)):
        try:
            found += compare(a, b, settings)
        except MediaError as error:
            errors.append(str(error))
        progress(len(paths) + number + 1, total)
    progress(total, total)
    return SharedReport(tuple(found), tuple(errors))


def compare(a: FileFingerprint, b: FileFingerprint, settings: SharedSettings) -> list[Shared]:
    """The stretches that two files share, in the order of time in ``a``.

    Raises:
        MediaError: if a file can no longer be read.
    """
    found: list[Shared] = []
    shortest = max(1.0, settings.shortest - _COARSE_SECONDS)
    for kind in ("sound", "picture"):
        index_a, index_b = getattr(a, kind), getattr(b, kind)
        if index_a is None or index_b is None:
            continue
        tolerance: Tolerance = getattr(settings, kind)
        for run in match(index_a, index_b, shortest=shortest, tolerance=tolerance):
            placed = _placed(index_a.fingerprint, index_b.fingerprint, run)
            if kind == "sound":
                assert a.read is not None
                assert b.read is not None
                placed = refine(a.read, b.read, placed)
            elif not _is_found_by_sound(placed, found):
                assert a.look is not None
                assert b.look is not None
                placed = refine_pictures(a.look, b.look, placed)
            if placed.end_a - placed.start_a < settings.shortest:
                continue
            if kind == "picture" and _is_found_by_sound(placed, found):
                continue
            found.append(
                Shared(
                    Place(a.path, Segment(placed.start_a, placed.end_a)),
                    Place(b.path, Segment(placed.start_b, placed.end_b)),
                    placed.offset,
                    run.score,
                    kind,
                    placed.exact,
                )
            )
    return _joined(found)


def _joined(found: Sequence[Shared]) -> list[Shared]:
    """The stretches in order of time; those that overlap at one offset are joined.

    Matching splits a stretch where its agreement changes (louder speech over one half, say), and
    refining then moves the ends of both halves into each other.
    """
    joined: list[Shared] = []
    for each in sorted(found, key=lambda one: (one.a.segment.start, one.b.segment.start)):
        for place, one in enumerate(joined):
            same = one.by == each.by and abs(one.offset - each.offset) <= _ONE_OFFSET
            if same and each.a.segment.start <= one.a.segment.end:
                joined[place] = _both(one, each)
                break
        else:
            joined.append(each)
    return joined


def _both(first: Shared, second: Shared) -> Shared:
    """Two overlapping parts of a stretch as one."""

    def whole(one: Place, other: Place) -> Place:
        end = max(one.segment.end, other.segment.end)
        return Place(one.file, Segment(one.segment.start, end))

    lengths = first.a.segment.duration, second.a.segment.duration
    score = (first.score * lengths[0] + second.score * lengths[1]) / sum(lengths)
    exact = first.exact and second.exact
    a, b = whole(first.a, second.a), whole(first.b, second.b)
    return Shared(a, b, first.offset, score, first.by, exact)


def swapped(found: Sequence[Shared]) -> list[Shared]:
    """The same stretches with a and b exchanged, in the order of time in b."""
    turned = [replace(each, a=each.b, b=each.a, offset=-each.offset) for each in found]
    return sorted(turned, key=lambda each: (each.a.segment.start, each.b.segment.start))


def _placed(a: Fingerprint, b: Fingerprint, run: MatchRun) -> Placed:
    """A run of rows as a stretch in seconds of media time."""
    first, last = run.first + run.offset, run.last + run.offset
    return Placed(a.time(run.first), a.time(run.last), b.time(first), b.time(last), exact=False)


def _is_found_by_sound(placed: Placed, found: Sequence[Shared]) -> bool:
    """True if stretches found by sound cover most of a stretch found by picture."""
    segment_a = Segment(placed.start_a, placed.end_a)
    segment_b = Segment(placed.start_b, placed.end_b)
    covered = sum(
        min(segment_a.overlap(each.a.segment), segment_b.overlap(each.b.segment))
        for each in found
        if each.by == "sound"
    )
    return covered >= _SAME_PLACE * segment_a.duration


def shared_to_json(found: Shared) -> dict[str, Any]:
    """A shared stretch as JSON values; times in seconds."""

    def place(each: Place) -> dict[str, Any]:
        return {
            "file": str(each.file),
            "start": round(each.segment.start, 4),
            "end": round(each.segment.end, 4),
        }

    return {
        "a": place(found.a),
        "b": place(found.b),
        "offset": round(found.offset, 4),
        "score": round(found.score, 4),
        "by": found.by,
        "exact": found.exact,
    }


@dataclass(frozen=True)
class SharedConfig(SharedSettings):
    """Find the stretches that media files share: openings, endings, recaps.

    A file that cannot be read is reported and the others are still compared; the exit code is then
    1.
    """

    files: tuple[str, ...] = field(
        default=(), metadata={"help": "two or more media files, or folders to search for them"}
    )
    json: Path | None = None
    """also write the stretches to this JSON file; - writes JSON to stdout instead of the table"""


def main(argv: Sequence[str] | None = None) -> int:
    """Compare the files of a command line; return 1 if a file could not be read."""
    settings = config.parse(SharedConfig, argv, prog=_PROG, positional="files")
    return config.run(lambda: _run(settings), _PROG)


def _run(settings: SharedConfig) -> int:
    files, problems = _expand(settings.files)
    if len(files) + len(problems) < 2:
        print(f"{_PROG}: name at least two media files", file=sys.stderr)
        return 2
    to_stdout = str(settings.json) == "-"
    if settings.json is not None and not to_stdout:
        require_output(settings.json)
    report = _with_bar(files, settings)
    for problem in (*problems, *report.errors):
        print(f"{_PROG}: {problem}", file=sys.stderr)
    if not to_stdout:
        _print(report.found)
    if settings.json is not None:
        write_json([shared_to_json(each) for each in report.found], settings.json)
    return int(bool(problems or report.errors))


def _expand(arguments: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The media files that the arguments name, and a message for each argument that names none."""
    files: list[Path] = []
    problems: list[str] = []
    for argument in arguments:
        try:
            files += [path for path in find_media([argument]).values() if path not in files]
        except ClippingError as error:
            problems.append(str(error))
    return files, problems


def _with_bar(files: Sequence[Path], settings: SharedSettings) -> SharedReport:
    import rich.progress
    from rich.console import Console

    with rich.progress.Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("comparing", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return shared(files, settings, progress=show)


def _print(found: Sequence[Shared]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_lines=True)
    table.add_column("file", overflow="fold")
    for heading in ("from", "to", "length", "offset", "score", "by"):
        table.add_column(heading, no_wrap=True)
    for each in found:
        places = (each.a, each.b)
        table.add_row(
            "\n".join(escape(place.file.name) for place in places),
            "\n".join(format_time(place.segment.start) for place in places),
            "\n".join(format_time(place.segment.end) for place in places),
            f"{each.a.segment.duration:.3f}",
            f"{each.offset:+.3f}",
            f"{each.score:.2f}",
            each.by,
        )
    Console().print(table if found else "nothing is shared")


if __name__ == "__main__":
    sys.exit(main())
