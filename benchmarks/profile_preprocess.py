"""The time of an episode's features by stage: CPU seconds, drawn as bars.

    python benchmarks/profile_preprocess.py episode.mp4 -o docs/measured/profile.png

Both windows are made by preprocess.extract_sides with a watch around each stage; once as it is,
and once with every frame decoded, as before 2026-11-21. The bars of the original's way are given
by the figures of benchmarks/preprocess.py (--imageio-cpu-s for one window, --easyocr-cpu-s for
400 frames).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # preprocess.py here is not the package

from clipping.media import one_pass, picture
from clipping.media.decode_needed import NeedsAllFrames
from preprocess import extraction
from preprocess.settings import FeatureSettings
from preprocess.text import ppocr

STAGES = ("decoding pictures", "scaling", "finding text", "sound", "MFCC", "the rest")


class Watch:
    """CPU seconds by stage; a stage inside of another counts for itself."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []

    def around(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **more: Any) -> Any:
            begin = time.process_time()
            self._inside.append(0.0)
            try:
                return function(*args, **more)
            finally:
                spent = time.process_time() - begin
                self.seconds[stage] += spent - self._inside.pop()
                if self._inside:
                    self._inside[-1] += spent

        return watched

    def through(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same around each step of a generator."""

        def watched(*args: Any, **more: Any) -> Iterator[Any]:
            step = self.around(stage, iter(function(*args, **more)).__next__)
            while True:
                try:
                    item = step()
                except StopIteration:
                    return
                yield item

        return watched


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--imageio-cpu-s", type=float, help="one window's frames")
    parser.add_argument("--easyocr-cpu-s", type=float, help="400 frames")
    options = parser.parse_args(argv)
    warm = Watch()
    profile(options.file, warm, plain=False)  # loads libraries and the file into memory
    bars = {}
    for name, plain in (("every frame decoded", True), ("planned", False)):
        watch = Watch()
        profile(options.file, watch, plain=plain)
        bars[name] = watch.seconds
        print(f"{name}: " + ", ".join(f"{s} {watch.seconds[s]:.2f}" for s in STAGES))
    if options.imageio_cpu_s and options.easyocr_cpu_s:
        original = {stage: bars["every frame decoded"][stage] for stage in ("sound", "MFCC")}
        original["decoding pictures"] = 2 * options.imageio_cpu_s
        original["finding text"] = options.easyocr_cpu_s
        bars = {"the original's way": original, **bars}
    draw(bars, options.output)
    return 0


def profile(file: Path, watch: Watch, *, plain: bool) -> None:
    """Make both windows under a watch."""
    kept = [
        (one_pass, "planned", _unplannable if plain else one_pass.planned, "decoding pictures"),
        (one_pass, "sequential", one_pass.sequential, "decoding pictures"),
        (one_pass, "sound_blocks", one_pass.sound_blocks, "sound"),
    ]
    steps = [
        (picture.Frame, "rgb", picture.Frame.rgb, "scaling"),
        (ppocr.PPOCR, "find", ppocr.PPOCR.find, "finding text"),
        (extraction, "mfcc", extraction.mfcc, "MFCC"),
    ]
    before = [(where, name, getattr(where, name)) for where, name, _, _ in (*kept, *steps)]
    try:
        for where, name, function, stage in kept:
            setattr(where, name, watch.through(stage, function))
        for where, name, function, stage in steps:
            setattr(where, name, watch.around(stage, function))
        settings = FeatureSettings()
        work = watch.through("the rest", extraction.extract_sides)
        for _ in work(file, ("start", "end"), settings, threads=1):
            pass
    finally:
        for where, name, function in before:
            setattr(where, name, function)


def _unplannable(*args: Any) -> Iterator[None]:
    raise NeedsAllFrames("every frame is to be decoded")
    yield


def draw(bars: dict[str, dict[str, float]], path: Path) -> None:
    """Two charts: all ways on a scale that shows the longest, and ours enlarged."""
    from matplotlib.figure import Figure

    ours = {name: bar for name, bar in bars.items() if "original" not in name}
    charts = [bars, ours] if len(ours) < len(bars) else [ours]
    figure = Figure(figsize=(9, 1.2 + 0.55 * sum(map(len, charts))), layout="constrained")
    shares = [len(chart) for chart in charts]
    for axes, chart in zip(
        figure.subplots(len(charts), squeeze=False, height_ratios=shares).flat, charts, strict=True
    ):
        names, left = list(chart), [0.0] * len(chart)
        for number, stage in enumerate(STAGES):
            widths = [chart[name].get(stage, 0.0) for name in names]
            axes.barh(names, widths, left=left, color=f"C{number}", label=stage)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        for row, total in enumerate(left):
            axes.text(total, row, f" {total:.0f} s", va="center")
        axes.invert_yaxis()
        axes.margins(x=0.1)
    axes.set_xlabel("CPU seconds for both windows of an episode")
    axes.legend(ncols=3, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.35))
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    raise SystemExit(main())
