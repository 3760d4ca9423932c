"""What a library of many seasons costs: the first walk, one where nothing changed, one new file.

    python -m benchmarks library FOLDER [--seasons 84] [--episodes 12] [--minutes 7]

Files are FLAC of tones that jump, each with 45 s of its season's opening and ending
(tests/making/cheap.py). Every walk is the command ``avtnet locate`` in a process of its own; CPU
seconds are those of it and all its children. Nothing is kept of earlier walks of the benchmark.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from making.cheap import make_episode, places

from clipping.segments import Segment

SONG = 45.0
CHECKED_S = 0.2
"""Seconds within which both ends of a song count as found."""


@dataclass(frozen=True)
class Walk:
    """What one run of the command took."""

    name: str
    cpu_s: float
    wall_s: float
    peak_mb: float
    """The largest resident memory of all its processes together, looked at 4 times a second."""
    first_row_s: float
    """Wall seconds until the first season was printed."""

    @property
    def busy(self) -> float:
        """Cores that were busy on average."""
        return self.cpu_s / self.wall_s


def library(
    folder: Path, *, seasons: int = 84, episodes: int = 12, minutes: float = 7.0,
    options: Sequence[str] = (),
) -> list[Walk]:  # fmt: skip
    """Make the files unless they are there, walk three times, and print a row for each walk."""
    story = minutes * 60 - 2 * SONG - 9.5
    made = make_library(folder, seasons, episodes, story)
    late = sorted(made)[episodes]  # of the first season, the one that comes later
    aside = folder / "late.mka.aside"
    if (folder / late).exists():
        (folder / late).rename(aside)
    kept = folder / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    try:
        walks = [
            walk("first", folder, kept, options),
            walk("nothing changed", folder, kept, options),
        ]
        aside.rename(folder / late)
        walks.append(walk("one new file", folder, kept, options))
    finally:
        if aside.exists():
            aside.rename(folder / late)
    right = _right(json.loads((kept / "out.json").read_text()), story)
    print(f"{seasons} seasons of {episodes} files of {minutes:g} minutes; {right} songs right")
    print("walk             CPU s  wall s  cores busy  first rows s  memory MB")
    for each in walks:
        print(
            f"{each.name:16s} {each.cpu_s:5.1f} {each.wall_s:7.1f} {each.busy:11.2f} "
            f"{each.first_row_s:13.1f} {each.peak_mb:10.0f}"
        )
    return walks


def make_library(folder: Path, seasons: int, episodes: int, story: float) -> list[str]:
    """Make what is missing; only the first season has its last episode. Return all names."""
    names = []
    for season in range(1, seasons + 1):
        for number in range(1, episodes + 1 + (season == 1)):
            name = _name(season, number)
            names.append(name)
            if not (folder / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                new = folder / "new.part"
                make_episode(new, number, season, song=SONG, story=story)
                new.rename(folder / name)
    return names


def walk(name: str, folder: Path, kept: Path, options: Sequence[str]) -> Walk:
    """Run the command once."""
    kept.mkdir(exist_ok=True)
    command = [
        sys.executable, "-m", "avtnet", "locate", str(folder), "--network", "never",
        "--pictures", "never", "--cache", str(kept / "cache"), "--themes", str(kept / "themes"),
        "--json", str(kept / "out.json"), *options,
    ]  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    peak, first = [0.0], [0.0]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        threading.Thread(target=_watch, args=(process, peak), daemon=True).start()
        assert process.stdout is not None
        while process.stdout.readline():
            first[0] = first[0] or time.monotonic() - began
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Walk(name, cpu, wall, peak[0], first[0])


def _name(season: int, number: int) -> str:
    return f"Show {season:04}/Show S01E{number:03}.mka"


def _watch(process: subprocess.Popen[bytes], peak: list[float]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], sum(map(_resident_mb, _family(process.pid))))
        time.sleep(0.25)


def _family(number: int) -> list[int]:
    found = [number]
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{number}/task").glob("*/children"):
            for child in path.read_text().split():
                found += _family(int(child))
    return found


def _resident_mb(number: int) -> float:
    try:
        pages = int(Path(f"/proc/{number}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _right(rows: Sequence[dict[str, object]], story: float) -> str:
    """Count the songs whose ends were found."""
    right = total = 0
    for row in rows:
        path = Path(str(row["file"]))
        season, number = int(path.parent.name[-4:]), int(path.stem[-3:])
        found = [
            Segment(each["start"], each["end"], each["label"])
            for each in row["segments"]  # type: ignore[attr-defined]
        ]
        for true in places(number, season, song=SONG, story=story):
            total += 1
            right += any(
                each.label == true.label
                and max(abs(each.start - true.start), abs(each.end - true.end)) <= CHECKED_S
                for each in found
            )
    return f"{right} of {total}"
