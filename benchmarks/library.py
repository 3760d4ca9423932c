"""The cost of a library of many seasons: the first walk, one where nothing changed, one new file.

    python benchmarks/library.py FOLDER [--seasons 84] [--episodes 12] [--minutes 7]

Files are FLAC of tones that jump, each with 45 s of its season's opening and ending
(tests/making/cheap.py); they are made once (0.3 CPU s each) and kept in the folder. Seasons beyond
``--distinct`` are hard links to the first ones: every season has a cache of its own, next to its
files, so it costs as much as any. Every walk is the command ``avtnet locate`` in a process of its
own; CPU seconds are those of it and of all its children. Where other programs use the machine too,
"at work" tells more than "cores busy": the mean number of its processes that run, or would if there
were a core for them. Words behind ``--`` go to the command (``-- --workers 1``).

``--cluster`` walks on a Ray of two nodes of this machine instead: once the first season is done, a
worker is killed, and then a node. The answers are compared with those of processes, byte by byte.
The figures of that walk are those of the process that starts it alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]  # before this folder, which has a preprocess.py

from making.cheap import make_episode, places

from clipping.segments import Segment

SONG = 45.0
CHECKED_S = 0.2
"""Seconds within which both ends of a song count as found."""
LOOK_S = 0.25
"""Seconds between two looks at the processes."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seasons", type=int, default=84)
    parser.add_argument("--episodes", type=int, default=12, help="of each season")
    parser.add_argument("--distinct", type=int, default=10, help="seasons that are no links")
    parser.add_argument("--minutes", type=float, default=7.0, help="length of an episode")
    parser.add_argument("--cluster", action="store_true", help="on Ray, with losses, instead")
    parser.add_argument("options", nargs="*", help="of avtnet locate, behind --")
    given = parser.parse_args(argv)
    run = cluster if given.cluster else library
    run(
        given.folder,
        seasons=given.seasons,
        episodes=given.episodes,
        distinct=given.distinct,
        minutes=given.minutes,
        options=given.options,
    )
    return 0


@dataclass(frozen=True)
class Walk:
    """The cost of one run of the command."""

    name: str
    cpu_s: float
    wall_s: float
    peak_mb: float
    """The largest resident memory of all its processes together, looked at 4 times a second."""
    at_work: float
    """Mean number of its processes that run or wait for a core."""
    first_row_s: float
    """Wall seconds until the first season was printed."""

    @property
    def busy(self) -> float:
        """Cores that were busy on average."""
        return self.cpu_s / self.wall_s


def library(
    folder: Path, *, seasons: int, episodes: int, distinct: int, minutes: float,
    options: Sequence[str] = (),
) -> list[Walk]:  # fmt: skip
    """Make the files unless they are there, walk three times, and print a row for each walk."""
    story = minutes * 60 - 2 * SONG - 9.5
    make_library(folder, seasons, episodes, distinct, story)
    late, aside = folder / _name(1, episodes + 1), folder / "late.mka.aside"
    late.rename(aside)  # comes with the third walk
    out = folder / "out.json"
    _forget(folder)
    try:
        walks = [walk(name, folder, out, options) for name in ("first", "nothing changed")]
        aside.rename(late)
        walks.append(walk("one new file", folder, out, options))
    finally:
        if aside.exists():
            aside.rename(late)
    right = _right(json.loads(out.read_text()), distinct, story)
    _forget(folder)
    print(f"{seasons} seasons of {episodes} files of {minutes:g} minutes; {right} songs right")
    _print(walks)
    return walks


def _print(walks: Sequence[Walk]) -> None:
    print("walk             CPU s  wall s  cores busy  at work  first rows s  memory MB")
    for each in walks:
        print(
            f"{each.name:16s} {each.cpu_s:5.1f} {each.wall_s:7.1f} {each.busy:11.2f} "
            f"{each.at_work:8.2f} {each.first_row_s:13.1f} {each.peak_mb:10.0f}"
        )


def cluster(
    folder: Path, *, seasons: int, episodes: int, distinct: int, minutes: float,
    options: Sequence[str] = (),
) -> None:  # fmt: skip
    """Walk with processes, and on a cluster that loses a worker and a node; compare the answers."""
    from ray.cluster_utils import Cluster

    story = minutes * 60 - 2 * SONG - 9.5
    make_library(folder, seasons, episodes, distinct, story)
    out = folder / "out.json"
    _forget(folder)
    walks = [walk("processes", folder, out, options)]
    expected = out.read_bytes()
    _forget(folder)
    os.environ |= {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    node = {"num_cpus": 1, "object_store_memory": 80 << 20}
    head = {**node, "num_cpus": 0, "include_dashboard": False}
    ray = Cluster(initialize_head=True, head_node_args=head)
    lost = [ray.add_node(**node) for _ in range(2)][1]

    def lose() -> None:
        workers = [number for number in _all_processes() if "ray::_in_time" in _command(number)]
        os.kill(workers[0], signal.SIGKILL)
        time.sleep(2)
        ray.remove_node(lost, allow_graceful=False)
        print(f"killed: worker {workers[0]} of {len(workers)}, then a node", flush=True)

    try:
        where = ["--engine", "ray", "--address", ray.address]
        walks.append(walk("cluster", folder, out, [*where, *options], lose))
    finally:
        ray.shutdown()
    same = out.read_bytes() == expected
    _forget(folder)
    print(f"{seasons} seasons of {episodes} files: the answers are {'' if same else 'NOT '}equal")
    _print(walks)


def make_library(folder: Path, seasons: int, episodes: int, distinct: int, story: float) -> None:
    """Make what is missing; the first season has one episode more than the others."""
    for season in range(1, seasons + 1):
        for number in range(1, episodes + 1 + (season == 1)):
            path = folder / _name(season, number)
            if path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if season > distinct:
                os.link(folder / _name(_source(season, distinct), number), path)
            else:
                new = folder / "new.part"
                make_episode(new, number, season, song=SONG, story=story)
                new.rename(path)


def walk(
    name: str,
    folder: Path,
    out: Path,
    options: Sequence[str],
    at_first: Callable[[], None] = lambda: None,
) -> Walk:
    """Run the command once; ``at_first`` is called when the first season was printed."""
    command = [
        sys.executable, "-m", "avtnet", "locate", str(folder), "--network", "never",
        "--pictures", "never", "--themes", str(folder / "no themes"), "--json", str(out), *options,
    ]  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    looks, first = list[tuple[float, int]](), [0.0]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        threading.Thread(target=_watch, args=(process, looks), daemon=True).start()
        assert process.stdout is not None
        while process.stdout.readline():
            if not first[0]:
                first[0] = time.monotonic() - began
                at_first()
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = max((mb for mb, _ in looks), default=0.0)
    at_work = sum(running for _, running in looks) / max(1, len(looks))
    return Walk(name, cpu, wall, peak, at_work, first[0])


def _name(season: int, number: int) -> str:
    return f"Show {season:04}/Show S01E{number:03}.mka"


def _watch(process: subprocess.Popen[bytes], looks: list[tuple[float, int]]) -> None:
    """Look at all processes of a command now and then: their memory, and how many run."""
    while process.poll() is None:
        family = _family(process.pid)
        looks.append((sum(map(_resident_mb, family)), sum(map(_runs, family))))
        time.sleep(LOOK_S)


def _family(number: int) -> list[int]:
    found = [number]
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{number}/task").glob("*/children"):
            for child in path.read_text().split():
                found += _family(int(child))
    return found


def _all_processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _command(number: int) -> str:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] in "RD"
    except (OSError, IndexError):
        return False


def _resident_mb(number: int) -> float:
    try:
        pages = int(Path(f"/proc/{number}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _source(season: int, distinct: int) -> int:
    """Return the season to whose files those of another one are links."""
    return (season - 1) % distinct + 1


def _forget(folder: Path) -> None:
    for kept in folder.glob("*/.avtnet"):
        shutil.rmtree(kept)


def _right(rows: Sequence[dict[str, object]], distinct: int, story: float) -> str:
    """Count the songs whose ends were found."""
    right = total = 0
    for row in rows:
        path = Path(str(row["file"]))
        season, number = int(path.parent.name[-4:]), int(path.stem[-3:])
        found = [
            Segment(each["start"], each["end"], each["label"])
            for each in row["segments"]  # type: ignore[attr-defined]
        ]
        for true in places(number, _source(season, distinct), song=SONG, story=story):
            total += 1
            right += any(
                each.label == true.label
                and max(abs(each.start - true.start), abs(each.end - true.end)) <= CHECKED_S
                for each in found
            )
    return f"{right} of {total}"


if __name__ == "__main__":
    raise SystemExit(main())
