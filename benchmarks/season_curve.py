"""The cost of a season by the number of its files: 12 to 500 in one folder, sound alone.

Each file has three minutes (tests/making/cheap.py: FLAC of tones that jump) with 45 s of opening
and of ending. Nothing is kept from earlier runs; each size has a process of its own, for its
memory.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from making.cheap import make_episode, places

from clipping.segments import Segment

SIZES = (12, 50, 100, 200, 500)
SONG, STORY = 45.0, 82.0


@dataclass(frozen=True)
class Cost:
    """Of one size; CPU seconds of this process and its children."""

    files: int
    pairs: int
    """Comparisons, those with an example among them."""
    total: float
    listening: float
    comparing: float
    megabytes: float
    right: int
    """Of ``2 * files`` songs, those with both ends within 0.2 s."""
    said: int


def curve(folder: Path, sizes: Sequence[int] = SIZES, picture: Path | None = None) -> None:
    """Make the files (unless they are there), and print a row a size."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"Curve S01E{number:03d}.mka" for number in range(1, max(sizes) + 1)]
    print("files  pairs  CPU s  a file  listening a file  comparing a pair  rest a file  peak")
    rows = []
    for size in sizes:
        some = folder / f"{size}"
        some.mkdir(exist_ok=True)
        for number, name in enumerate(names[:size], 1):
            if not (folder / name).exists():
                make_episode(folder / "new.mka", number, song=SONG, story=STORY)
                (folder / "new.mka").rename(folder / name)
            if not (some / name).exists():
                os.link(folder / name, some / name)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            cost = pool.apply(measured, (some, size))
        rows.append(cost)
        rest = cost.total - cost.listening - cost.comparing
        print(
            f"{cost.files:5d} {cost.pairs:6d} {cost.total:6.1f} {cost.total / size:7.3f} "
            f"{cost.listening / size:17.3f} {cost.comparing / cost.pairs * 1000:14.1f} ms "
            f"{rest / size:12.3f} {cost.megabytes:5.0f} MB; "
            f"{cost.right} of {2 * size} songs right, {cost.said} said",
            flush=True,
        )
    if picture is not None:
        draw(rows, picture)


def measured(folder: Path, size: int) -> Cost:
    """Locate one folder in this process, with the parts timed."""
    import avtnet.season.repetition as repetition
    from avtnet.localization import locate_all
    from avtnet.search import work
    from avtnet.search.request import LocateConfig

    spent = {"listening": 0.0, "comparing": 0.0}
    calls = {"listening": 0, "comparing": 0}

    def timed(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            began = time.process_time()
            try:
                return function(*args)
            finally:
                spent[what] += time.process_time() - began
                calls[what] += 1

        return call

    with (
        _replaced(work.Worker, "_listen", timed("listening", work.Worker._listen)),
        _replaced(repetition, "compare", timed("comparing", repetition.compare)),
        tempfile.TemporaryDirectory() as kept,
    ):
        began = time.process_time()
        timelines = locate_all(
            LocateConfig(
                inputs=(str(folder),), cache=Path(kept, "cache"), themes=Path(kept, "themes"),
                network="never", pictures="never", workers=0,
            )
        )  # fmt: skip
        total = time.process_time() - began
    right = said = 0
    for timeline in timelines:
        number = int(Path(timeline.source).stem[-3:])
        true = places(number, song=SONG, story=STORY)
        right += sum(_is_right(each, true) for each in timeline.segments)
        said += len(timeline.segments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return Cost(
        size, calls["comparing"], total, spent["listening"], spent["comparing"], peak, right, said
    )


@contextmanager
def _replaced(module: Any, name: str, value: object) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _is_right(found: Segment, true: Sequence[Segment]) -> bool:
    return any(
        each.label == found.label
        and max(abs(each.start - found.start), abs(each.end - found.end)) <= 0.2
        for each in true
    )


def draw(rows: Sequence[Cost], picture: Path) -> None:
    """CPU seconds by the number of files, and by the parts."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    files = [row.files for row in rows]
    for label, values in (
        ("all", [row.total for row in rows]),
        ("listening", [row.listening for row in rows]),
        ("comparing", [row.comparing for row in rows]),
    ):
        axes.plot(files, values, "o-", label=label)
    steady = rows[0].total / rows[0].files
    axes.plot(files, [steady * count for count in files], ":", color="#999999", label="linear")
    axes.set(xlabel="files of 3 minutes in one folder", ylabel="CPU seconds")
    axes.legend()
    figure.savefig(picture, dpi=90)
