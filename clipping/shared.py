"""``python -m clipping shared``: the stretches that media files have in common."""

from __future__ import annotations

import itertools
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from clipping import config
from clipping.errors import ClippingError, ConfigError, MediaError
from clipping.files import find_media, require_output, write_json
from clipping.fingerprint import (
    LAG_STEPS,
    SOUND_RATE,
    STEP_SAMPLES,
    WINDOW_SAMPLES,
    Fingerprint,
    Kind,
    picture_fingerprint,
    sound_fingerprint,
)
from clipping.matching import Index, Run, Tolerance, match
from clipping.media import probe, read_audio
from clipping.refine import RATE, Placed, refine
from clipping.refine_picture import refine_pictures
from clipping.segments import Segment, format_time

_PROG = "python -m clipping shared"
_COARSE_SECONDS = 1.0
"""A fingerprint may see a stretch so much shorter than it is: shorter ones are kept until their
ends are known."""
_SAME_PLACE = 0.5
"""Share of a stretch of pictures that stretches of sound cover: it is said once then."""
_BLOCK = 8 * RATE
_BLOCKS = 32


@dataclass(frozen=True)
class Place:
    """A span of one file, in seconds of media time."""

    file: Path
    segment: Segment


@dataclass(frozen=True)
class Shared:
    """The same stretch in two files."""

    a: Place
    b: Place
    offset: float
    """Seconds to add to a time in a for the same moment in b."""
    score: float
    """Agreement of the fingerprints, 0 as strangers to 1 the same."""
    by: Kind
    exact: bool = False
    """Whether the ends are those of the sounds' own samples, or only of the fingerprints."""


@dataclass(frozen=True)
class SharedSettings:
    """What counts as shared, and where it is looked for: by default everywhere, since one opening
    in 60 ends after 400 s (docs/shared.md).
    """

    shortest: float = 10.0
    """seconds that a shared stretch has at least"""
    by: Literal["both", "sound", "picture"] = "both"
    """compare the sounds, the pictures, or both where a file has them"""
    region_start: float = 0.0
    """seconds of each file before which nothing is looked for"""
    region_end: float | None = None
    """seconds of each file after which nothing is looked for; left out: to the end"""
    audio: str | None = None
    """language or index of the sound stream; left out: the default one"""
    sound: Tolerance = field(default_factory=Tolerance)
    picture: Tolerance = field(default_factory=lambda: Tolerance(errors=0.22, smooth=3.0))

    def __post_init__(self) -> None:
        if not self.shortest >= 2:
            raise ConfigError(f"a shared stretch has 2 s at least, got shortest {self.shortest}")
        end = self.region_end
        if self.region_start < 0 or (end is not None and end <= self.region_start):
            raise ConfigError(
                f"0 <= region_start < region_end is needed, got {self.region_start} and {end}"
            )


@dataclass(frozen=True)
class SharedReport:
    """All that was found, and the files that could not be read."""

    found: tuple[Shared, ...]
    errors: tuple[str, ...] = ()


def shared(
    files: Sequence[Path | str],
    settings: SharedSettings | None = None,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SharedReport:
    """Find what every two of the files share, by sound and by picture.

    A stretch that occurs twice in one file is found twice; a loop's agreement with its own turns
    is left out. A stretch at another speed (PAL's 4 %) is not the same. Files that cannot be read
    are told of in ``errors``; the others are compared all the same.

    Args:
        progress: called with (steps done, of so many).
    """
    settings = settings or SharedSettings()
    paths = [Path(file) for file in files]
    total = len(paths) + len(paths) * (len(paths) - 1) // 2
    errors: list[str] = []
    heard: list[_Prints] = []
    for number, path in enumerate(paths):
        try:
            heard.append(_prints(path, settings))
        except MediaError as error:
            errors.append(str(error))
        progress(number + 1, total)
    found: list[Shared] = []
    for number, (a, b) in enumerate(itertools.combinations(heard, 2)):
        try:
            found += compare(a, b, settings)
        except MediaError as error:
            errors.append(str(error))
        progress(len(paths) + number + 1, total)
    progress(total, total)
    return SharedReport(tuple(found), tuple(errors))


class SoundReader:
    """The sound of a file at ``RATE`` Hz, a few seconds at any place; what was read is kept."""

    def __init__(self, path: Path, end: float, stream: int | str | None) -> None:
        self._path, self._stream = path, stream
        self._samples = round(end * RATE)
        self._blocks: OrderedDict[int, np.ndarray] = OrderedDict()

    def __call__(self, first: int, count: int) -> np.ndarray:
        """``count`` samples from ``first`` on, zeros before 0 and behind the end."""
        samples = np.zeros(count, np.float32)
        begin, end = max(0, first), min(self._samples, first + count)
        for number in range(begin // _BLOCK, -(-end // _BLOCK) if end > begin else 0):
            block = self._block(number)
            low, high = max(begin, number * _BLOCK), min(end, (number + 1) * _BLOCK)
            samples[low - first : high - first] = block[
                low - number * _BLOCK : high - number * _BLOCK
            ]
        return samples

    def _block(self, number: int) -> np.ndarray:
        if number not in self._blocks:
            start = number * _BLOCK / RATE
            self._blocks[number] = read_audio(
                self._path, rate=RATE, start=start, end=start + _BLOCK / RATE, stream=self._stream
            )
            if len(self._blocks) > _BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]


@dataclass(frozen=True, eq=False)
class _Prints:
    """What is compared of a file."""

    path: Path
    sound: Index | None
    picture: Index | None
    read: SoundReader | None


def _prints(path: Path, settings: SharedSettings) -> _Prints:
    info = probe(path)
    start, end = settings.region_start, settings.region_end
    sound = picture = None
    read = None
    stream = settings.audio
    if stream is not None and stream.isdigit():
        number: int | str | None = int(stream)
    else:
        number = stream
    if info.audio and settings.by != "picture":
        sound = sound_fingerprint(path, start=start, end=end, stream=number)
        read = SoundReader(path, _heard_until(sound, start), number)
    if info.video is not None and settings.by != "sound":
        until = info.duration if end is None else min(end, info.duration)
        picture = picture_fingerprint(path, start=start, end=until)
    if sound is None and picture is None:
        raise MediaError(f"{path}: has no {settings.by if settings.by != 'both' else 'sound'}")
    return _Prints(
        path,
        None if sound is None else Index(sound),
        None if picture is None else Index(picture),
        read,
    )


def _heard_until(sound: Fingerprint, start: float) -> float:
    """Seconds of media time up to which there is sound, to a step."""
    rows = len(sound.words) + LAG_STEPS
    return start + (rows * STEP_SAMPLES + WINDOW_SAMPLES) / SOUND_RATE


def compare(a: _Prints, b: _Prints, settings: SharedSettings) -> list[Shared]:
    """What two files share, in the order of the first file's time."""
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
            elif not _known(placed, found):
                placed = refine_pictures(a.path, b.path, placed)
            if placed.end_a - placed.start_a < settings.shortest:
                continue
            if kind == "picture" and _known(placed, found):
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
    return sorted(found, key=lambda each: (each.a.segment.start, each.b.segment.start))


def _placed(a: Fingerprint, b: Fingerprint, run: Run) -> Placed:
    """Rows to seconds."""
    first, last = run.first + run.offset, run.last + run.offset
    return Placed(a.time(run.first), a.time(run.last), b.time(first), b.time(last), exact=False)


def _known(placed: Placed, found: Sequence[Shared]) -> bool:
    """Whether sound has told most of a stretch of pictures already."""
    segment_a = Segment(placed.start_a, placed.end_a)
    segment_b = Segment(placed.start_b, placed.end_b)
    covered = sum(
        min(segment_a.overlap(each.a.segment), segment_b.overlap(each.b.segment))
        for each in found
        if each.by == "sound"
    )
    return covered >= _SAME_PLACE * segment_a.duration


def to_json(found: Shared) -> dict[str, Any]:
    """One stretch as plain JSON values; times in seconds."""

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
    """Find what media files have in common: openings, endings, recaps.

    A file that cannot be read is reported, the rest is done; the exit code is then 1.
    """

    files: tuple[str, ...] = field(
        default=(), metadata={"help": "two or more media files, or folders to search for them"}
    )
    json: Path | None = None
    """write what was found to this JSON file too; - writes JSON to stdout in place of the table"""


def main(argv: Sequence[str] | None = None) -> int:
    """Compare the files of a command line; 1 where some could not be read."""
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
        write_json([to_json(each) for each in report.found], settings.json)
    return int(bool(problems or report.errors))


def _expand(given: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The files behind the words, and what is wrong with the words that are none."""
    files: list[Path] = []
    problems: list[str] = []
    for word in given:
        try:
            files += [path for path in find_media([word]).values() if path not in files]
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

    table = Table()
    for heading in ("a", "from", "to", "b", "from", "to", "length", "offset", "score", "by"):
        table.add_column(heading)
    for each in found:
        cells: list[str] = []
        for place in (each.a, each.b):
            cells += [escape(place.file.name)]
            cells += [format_time(place.segment.start), format_time(place.segment.end)]
        cells += [f"{each.a.segment.duration:.3f}", f"{each.offset:+.3f}", f"{each.score:.2f}"]
        table.add_row(*cells, each.by)
    Console().print(table if found else "nothing is shared")


if __name__ == "__main__":
    sys.exit(main())
