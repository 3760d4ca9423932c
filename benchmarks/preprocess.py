"""The time that features take, next to other ways to make them, in one interleaved run.

    pip install 'avtnet[all]' torchcodec
    python benchmarks/episode_media.py episode.mp4
    python benchmarks/preprocess.py episode.mp4 [more files] [--easyocr-models DIR]

Every way is a process of its own; in each round all ways run once, in another order. Printed are
medians: wall time, CPU time of the process and its children, the largest memory, and the ratio to
the first way of the table. Imports are not counted, the start of ffmpeg is.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # this file is not the package

from clipping.media.frames import decode_all, frames_at
from clipping.media.probe import probe
from clipping.media.sound import read_audio

WINDOW = 200
Way = Callable[[Path, argparse.Namespace], Callable[[], object]]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--easyocr-models", type=Path, help="craft_mlt_25k.pth lies there")
    parser.add_argument("--episodes", type=int, default=50, help="files in the folder")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.way:
        told = measure(WAYS[options.way](options.files[0], options))
        times = SCALES.get(options.way, 1)
        print(json.dumps({**told, "wall": told["wall"] * times, "cpu": told["cpu"] * times}))
        return 0
    for file in options.files:
        for title in options.only:
            ways = [way for way in TABLES[title] if available(way, options)]
            print(f"\n### {file.name}: {title}\n", flush=True)
            whole = probe(file).duration
            covered = {"episode": whole, "folder": whole * options.episodes}
            seconds = covered.get(title, WINDOW if "last" in title else 2 * WINDOW)
            print_table(run_rounds(ways, file, options), seconds)
    return 0


def measure(work: Callable[[], object]) -> dict[str, float]:
    """Seconds of wall time and of CPU, and the largest memory in MB."""
    before = _cpu()
    begin = time.perf_counter()
    work()
    wall = time.perf_counter() - begin
    memory = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {"wall": wall, "cpu": _cpu() - before, "memory": memory / 1024}


def _cpu() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def run_rounds(
    ways: Sequence[str], file: Path, options: argparse.Namespace
) -> dict[str, list[dict[str, float]]]:
    """All ways once a round, in a new order each time."""
    results: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for number in range(options.rounds):
        for way in random.Random(number).sample(ways, len(ways)):
            words = [sys.executable, __file__, str(file), "--way", way]
            words += ["--episodes", str(options.episodes)]
            if options.easyocr_models:
                words += ["--easyocr-models", str(options.easyocr_models)]
            if way not in results:
                continue
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                print(f"{way}: does not run here, left out", file=sys.stderr)
                del results[way]
                continue
            results[way].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{number + 1}: {way} {results[way][-1]}", file=sys.stderr, flush=True)
    return results


def print_table(results: dict[str, list[dict[str, float]]], seconds: float) -> None:
    middle = {
        way: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for way, runs in results.items()
    }
    first = next(iter(middle.values()))
    print("| way | wall s | wall x | CPU s | CPU x | x real time | MB |")
    print("|---|---|---|---|---|---|---|")
    for way, run in middle.items():
        cells = [
            f"{run['wall']:.2f}",
            f"{run['wall'] / first['wall']:.2f}",
            f"{run['cpu']:.2f}",
            f"{run['cpu'] / first['cpu']:.2f}",
            f"{seconds / run['wall']:.0f}",
            f"{run['memory']:.0f}",
        ]
        print(f"| {way} | {' | '.join(cells)} |")


def available(way: str, options: argparse.Namespace) -> bool:
    """Return True if a way can be taken here; print it if not."""
    needed = {"torchcodec": "torchcodec", "EasyOCR": "easyocr", "imageio": "imageio"}
    for word, package in needed.items():
        if word in way and importlib.util.find_spec(package) is None:
            print(f"{way}: {package} is not installed", file=sys.stderr)
            return False
    if "EasyOCR" in way and options.easyocr_models is None:
        print(f"{way}: give --easyocr-models", file=sys.stderr)
        return False
    return True


def last_window(file: Path) -> list[float]:
    start = max(0.0, probe(file).duration - WINDOW)
    return [start + second for second in range(WINDOW)]


def thumbnails(frames: Iterable[object]) -> None:
    for frame in frames:
        if frame is not None:
            frame.rgb((88, 50))


def planned_window(file: Path, options: argparse.Namespace) -> Callable[[], object]:
    times = last_window(file)
    return lambda: thumbnails(frames_at(file, times, threads=1))


def halves_of_window(file: Path, options: argparse.Namespace) -> Callable[[], object]:
    times = last_window(file)
    halves = (times[: WINDOW // 2], times[WINDOW // 2 :])
    return lambda: in_threads(file, halves)


def in_threads(file: Path, parts: Sequence[Sequence[float]]) -> None:
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(lambda times: thumbnails(frames_at(file, times, threads=1)), parts))


def sequential_window(file: Path, options: argparse.Namespace) -> Callable[[], object]:
    times = last_window(file)
    return lambda: thumbnails(decode_all(file, times, None))


def imageio_window(file: Path, options: argparse.Namespace) -> Callable[[], object]:
    """As the original: all frames at full size through a pipe, every n-th is kept."""
    import imageio
    from PIL import Image

    start = last_window(file)[0]

    def work() -> None:
        reader = imageio.get_reader(
            file, "ffmpeg", input_params=["-ss", f"{start:.3f}"], output_params=["-t", str(WINDOW)]
        )
        step = round(reader.get_meta_data()["fps"])
        for number, frame in enumerate(reader):
            if number % step == 0:
                Image.fromarray(frame).resize((88, 50), Image.Resampling.BOX)

    return work


def _ffmpeg(*words: str) -> None:
    import imageio_ffmpeg

    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *words],
        stdout=subprocess.DEVNULL,
        check=True,
    )


def pipe_window(file: Path, options: argparse.Namespace) -> Callable[[], object]:
    start = last_window(file)[0]
    words = ["-ss", f"{start:.3f}", "-t", str(WINDOW), "-i", str(file), "-an"]
    scale = "fps=1:round=up,scale=88:50:flags=area"
    return lambda: _ffmpeg(*words, "-vf", scale, "-pix_fmt", "rgb24", "-f", "rawvideo", "-")


def torchcodec_window(file: Path, options: argparse.Namespace) -> Callable[[], object]:
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    times = last_window(file)

    def work() -> None:
        decoder = VideoDecoder(
            str(file), seek_mode="approximate", num_ffmpeg_threads=0, transforms=[Resize((50, 88))]
        )
        begin = decoder.metadata.begin_stream_seconds or 0.0
        last = (decoder.metadata.end_stream_seconds or times[-1] + 1) - 0.05
        decoder.get_frames_played_at([min(last, max(begin, time)) for time in times])

    return work


def planned_both(file: Path, options: argparse.Namespace) -> Callable[[], object]:
    """Both windows, a thread each, as a batch has a process each."""
    windows = ([float(second) for second in range(WINDOW)], last_window(file))
    return lambda: in_threads(file, windows)


def null_both(file: Path, options: argparse.Namespace) -> Callable[[], object]:
    """ffmpeg decodes both windows to nothing, without pictures that no other refers to."""
    starts = (0.0, last_window(file)[0])

    def work() -> None:
        for start in starts:
            _ffmpeg(
                *("-skip_frame", "noref", "-ss", f"{start:.3f}", "-t", str(WINDOW)),
                *("-i", str(file), "-an", "-f", "null", "-"),
            )

    return work


def _pictures(file: Path, count: int) -> list[object]:
    times = np.linspace(1, probe(file).duration - 1, count).tolist()
    return [frame for frame in frames_at(file, times) if frame is not None]


def our_text(file: Path, options: argparse.Namespace) -> Callable[[], object]:
    from preprocess.settings import FeatureSettings
    from preprocess.text.engine import detector, fill

    engine, frames = detector(FeatureSettings()), _pictures(file, 40)

    def work() -> None:
        for frame in frames * 10:
            fill(engine.find(frame.rgb(engine.input_size(frame.size))), frame.size)

    return work


def easyocr_text(file: Path, options: argparse.Namespace) -> Callable[[], object]:
    """Two frames stand for 400: the time is given for 400."""
    from preprocess.settings import FeatureSettings
    from preprocess.text.engine import detector, fill

    engine = detector(FeatureSettings(text_engine="easyocr"), options.easyocr_models)
    frames = _pictures(file, 2)

    def work() -> None:
        for frame in frames:
            fill(engine.find(frame.rgb(engine.input_size(frame.size))), frame.size)

    return work


def episode(workers: int) -> Way:
    """``python -m preprocess`` on the episode: both windows, all three features."""

    def way(file: Path, options: argparse.Namespace) -> Callable[[], object]:
        return lambda: _preprocess([file], workers)

    return way


def whole_episode(file: Path, options: argparse.Namespace) -> Callable[[], object]:
    """All seconds in one file, in one process."""
    return lambda: _preprocess([file], 1, "--sides", "whole")


def folder(workers: int) -> Way:
    """The same on a folder of many files; real time is that of all of them."""

    def way(file: Path, options: argparse.Namespace) -> Callable[[], object]:
        def work() -> None:
            with tempfile.TemporaryDirectory() as place:
                for number in range(options.episodes):
                    (Path(place) / f"{number:03}{file.suffix}").symlink_to(file.resolve())
                _preprocess([Path(place)], workers)

        return work

    return way


def _preprocess(inputs: Sequence[Path], workers: int, *more: str) -> None:
    with tempfile.TemporaryDirectory() as output:
        words = ["-m", "preprocess", *map(str, inputs), "-o", output, "--workers", str(workers)]
        words += more
        subprocess.run(
            [sys.executable, *words],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def sound_only(file: Path, options: argparse.Namespace) -> Callable[[], object]:
    """The MFCC of the whole episode, from the file."""
    import scipy.fft  # noqa: F401  (mfcc would load it while it is measured)
    import soxr  # noqa: F401

    from preprocess.audio import mfcc
    from preprocess.settings import FeatureSettings

    duration = probe(file).duration
    settings = FeatureSettings(window=float(int(duration)))

    def work() -> None:
        mfcc(read_audio(file, end=settings.window), settings)

    return work


WAYS: dict[str, Way] = {
    "imageio, all frames (the original's way)": imageio_window,
    "ffmpeg pipe": pipe_window,
    "torchcodec": torchcodec_window,
    "every frame decoded": sequential_window,
    "planned, 1 thread": planned_window,
    "planned, each half in a thread": halves_of_window,
    "ffmpeg -skip_frame noref to null": null_both,
    "planned, a thread a window": planned_both,
    "EasyOCR (2 frames, times 200)": easyocr_text,
    "PP-OCRv4": our_text,
    "preprocess, 1 worker": episode(1),
    "preprocess, 2 workers": episode(2),
    "whole episode, 1 worker": whole_episode,
    "sound of the whole episode": sound_only,
    "folder, 1 worker": folder(1),
    "folder, 2 workers": folder(2),
}
SCALES = {"EasyOCR (2 frames, times 200)": 200}
TABLES: dict[str, list[str]] = {
    "frames of the last 200 s": [
        "imageio, all frames (the original's way)",
        "ffmpeg pipe",
        "torchcodec",
        "every frame decoded",
        "planned, 1 thread",
        "planned, each half in a thread",
    ],
    "frames of both windows": ["ffmpeg -skip_frame noref to null", "planned, a thread a window"],
    "text of 400 frames": ["EasyOCR (2 frames, times 200)", "PP-OCRv4"],
    "episode": [
        "preprocess, 1 worker",
        "preprocess, 2 workers",
        "whole episode, 1 worker",
        "sound of the whole episode",
    ],
    "folder": ["folder, 1 worker", "folder, 2 workers"],
}


if __name__ == "__main__":
    raise SystemExit(main())
