"""The cost of preprocessing very many episodes (machines, hours, storage), and of training.

    python benchmarks/scale.py
    python benchmarks/scale.py --measure-driver
    python benchmarks/scale.py --cpu-s 18.4 --read-mb 201 --feature-mb 3.1 --core-hour-price 0.03

It only multiplies: every figure that was measured is an argument, so that those of another machine
or version can be put in. docs/scale.md says where the defaults come from. With --measure-driver it
measures what a file costs the process that hands files out to a Ray cluster.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # not here: this file is not the package

ARGUMENTS: dict[str, tuple[float, str]] = {
    "episodes": (1e6, "how many"),
    "minutes": (24, "length of an episode"),
    # A file of 1080p H.264, 4 Mb/s, with PP-OCR at 640 by onnxruntime.
    "cpu-s": (33.1, "CPU seconds for both windows of an episode"),
    "decode-cpu-s": (19.7, "of them for decoding pictures"),
    "text-cpu-s": (9.5, "of them for finding text"),
    # 400 s of file A: 716 MB in 1441 s.
    "read-mb": (199, "MB of an episode that are read"),
    # Twice a window's, packed by safetensors and zstd.
    "feature-mb": (4.62, "MB of features of an episode's two windows"),
    "original-wall-s": (2810, "seconds an episode took the original's way on 2 cores"),
    # The full network, batches of 4 in bf16 on 2 cores.
    "windows-per-s": (0.8, "windows that one training process takes a second"),
    # --measure-driver, 2026-11-21, 2 vCPU.
    "driver-ms": (1.0, "CPU ms of the driver for a file"),
    "driver-bytes": (5700, "memory of the driver for a file, at most"),
    # A search (avtnet locate, sound alone). docs/measured/season.md: episodes of 24 minutes.
    "locate-cpu-s": (5.4, "CPU seconds of a search for an episode, decoding included"),
    # benchmarks/library.py: docs/measured/scale.md.
    "locate-driver-ms": (5.5, "CPU ms of the process that starts a search, for a new episode"),
    "known-ms": (2.7, "CPU ms of that process for an episode that has not changed"),
    "locate-driver-bytes": (5600, "memory of that process for an episode"),
    "cache-kb": (160, "KB of the cache for an episode"),
    # Assumptions, not measurements.
    "cores": (32, "cores of a machine"),
    "busy": (0.9, "share of the cores' time that is used"),
    "days": (1, "how long it may take"),
    "shard-mb": (256, "MB of a shard"),
    "trainers": (8, "training processes"),
    "core-hour-price": (0, "what a core costs an hour; 0 leaves prices out"),
    "gb-month-price": (0, "what a GB costs a month; 0 leaves prices out"),
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, (default, text) in ARGUMENTS.items():
        parser.add_argument(f"--{name}", type=float, default=default, help=f"{text} ({default:g})")
    parser.add_argument("--measure-driver", action="store_true")
    given = parser.parse_args(argv)
    if given.measure_driver:
        measure_driver()
        return 0
    print("| | |\n|---|---|")
    for what, value in rows(given):
        print(f"| {what} | {value} |")
    return 0


def measure_driver(files: int = 5000) -> None:
    """Hand out files that are not there: each costs the driver what any file does."""
    from clipping.many.cluster import Ray
    from clipping.many.run_many import run_many
    from preprocess.batch.tasks import FeatureTask, Making, make, outcomes_of
    from preprocess.features import SIDES

    folder, how, made = Path("/nowhere"), Making(), []
    engine = Ray(workers=2)
    with engine.ready():
        before = _resident_bytes()
        tasks = [
            FeatureTask(f"S1/{n:07}", SIDES, folder / f"{n:07}.mkv", folder, how)
            for n in range(files)
        ]
        began = time.process_time()
        for outcome in run_many(make, tasks, engine=engine):
            made += outcomes_of(outcome)
        spent = time.process_time() - began
    print(f"driver: {1000 * spent / files:.2f} ms CPU a file, {2 * files} windows")
    print(f"driver: {(_resident_bytes() - before) / files:.0f} bytes a file")


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def rows(given: argparse.Namespace) -> list[tuple[str, str]]:
    """Each figure and its value."""
    core_s = given.episodes * given.cpu_s / given.busy
    wall_s = given.days * 86400
    machines = core_s / wall_s / given.cores
    files_a_second = given.episodes / wall_s
    read_a_machine = files_a_second * given.read_mb / machines
    features_tb = given.episodes * given.feature_mb / 1e6
    training_mb = given.trainers * given.windows_per_s * given.feature_mb / 2
    found = [
        ("core-hours", f"{core_s / 3600:,.0f}"),
        (f"machines of {given.cores:g} cores for {given.days:g} days", f"{machines:,.1f}"),
        ("hours on one of them", f"{core_s / 3600 / given.cores:,.0f}"),
        (
            "x real time, one of them",
            f"{given.cores * given.busy * given.minutes * 60 / given.cpu_s:,.0f}",
        ),
        ("share of the time: decoding pictures", f"{given.decode_cpu_s / given.cpu_s:.0%}"),
        ("share of the time: finding text", f"{given.text_cpu_s / given.cpu_s:.0%}"),
        (
            "core-hours of the bottleneck, decoding",
            f"{core_s / 3600 * given.decode_cpu_s / given.cpu_s:,.0f}",
        ),
        ("read in all, TB", f"{given.episodes * given.read_mb / 1e6:,.0f}"),
        ("read by a machine, Gbit/s", f"{read_a_machine * 8 / 1000:.2f}"),
        ("features, TB", f"{features_tb:,.2f}"),
        ("feature files", f"{2 * given.episodes:,.0f}"),
        (f"shards of {given.shard_mb:g} MB", f"{features_tb * 1e6 / given.shard_mb:,.0f}"),
        ("files handed out a second", f"{files_a_second:.1f}"),
        ("the driver's core, share used", f"{files_a_second * given.driver_ms / 1000:.1%}"),
        ("the driver's memory, GB", f"{given.episodes * given.driver_bytes / 1e9:.1f}"),
        (
            "the original's way, years on one machine of 2 cores",
            f"{given.episodes * given.original_wall_s / 86400 / 365:,.0f}",
        ),
        *search_rows(given),
        (f"training: MB/s for {given.trainers:g} processes", f"{training_mb:.1f}"),
        (
            "training: hours for an epoch, by reading 100 MB/s a process",
            f"{features_tb * 1e6 / 100 / given.trainers / 3600:,.1f}",
        ),
    ]
    if given.core_hour_price:
        found.append(("price of the work", f"{core_s / 3600 * given.core_hour_price:,.0f}"))
    if given.gb_month_price:
        found.append(
            ("price of the features a month", f"{features_tb * 1000 * given.gb_month_price:,.0f}")
        )
    return found


def search_rows(given: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the figures of a search of all episodes, season by season."""
    core_s, count = given.episodes * given.locate_cpu_s / given.busy, given.episodes
    machines = core_s / (given.days * 86400) / given.cores
    return [
        ("a search: core-hours", f"{core_s / 3600:,.0f}"),
        (
            f"a search: machines of {given.cores:g} cores for {given.days:g} days",
            f"{machines:,.1f}",
        ),
        ("a search: hours of the driver's core", f"{count * given.locate_driver_ms / 3.6e6:,.1f}"),
        ("a search in which nothing changed: hours", f"{count * given.known_ms / 3.6e6:,.1f}"),
        ("a search: the driver's memory, GB", f"{count * given.locate_driver_bytes / 1e9:,.1f}"),
        ("a search: its caches, GB", f"{count * given.cache_kb / 1e6:,.0f}"),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
