"""How large feature files are, how fast batches load, and how much of a training waits for them.

    python benchmarks/loading.py VIDEO... --episodes 1

Makes the features of the given videos and of made-up episodes (no text is looked for: masks are
1 % of a file), then prints four Markdown tables: sizes, times of a batch of 16 windows against
files of version 1 (the same arrays, not packed), windows a second of a folder and of shards, and
the share of time a training waits. Wall times are medians; CPU times are of all threads. Files are
in the page cache.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import date
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # preprocess is the package

from avtnet.classic.config import ModelConfig, TrainConfig
from avtnet.classic.dataset import Window, WindowDataset
from avtnet.classic.sources import FolderSource
from avtnet.classic.stream import ShardSource
from avtnet.synthesis.settings import SynthesizeConfig
from avtnet.synthesize import synthesize
from avtnet.train import train
from clipping.files import find_media
from clipping.learning.loading import read_batches
from clipping.learning.processes import Process
from clipping.media.frames import frames_at
from clipping.media.probe import probe
from clipping.windows import WindowId, write_labels
from preprocess.extraction import extract
from preprocess.features import FORMAT, SIDES, Features, feature_path, save
from preprocess.features import load as load_features
from preprocess.settings import FeatureSettings
from preprocess.shards import ShardsConfig, pack

SETTINGS = FeatureSettings(text_engine="none")
BATCH = 16
Content = tuple[str, list[Features]]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", help="videos of 400 s or more")
    parser.add_argument("--episodes", type=int, default=1, help="made-up episodes")
    parser.add_argument("--repeats", type=int, default=7, help="of each measurement of time")
    parser.add_argument("--threads", type=int, default=2, help="that read batches")
    parser.add_argument("--epochs", type=int, default=2, help="of the training")
    options = parser.parse_args(argv)
    print(f"{date.today()}, {torch.get_num_threads()} threads of torch\n")
    with tempfile.TemporaryDirectory() as folder:
        contents = list(make_contents(Path(folder), options))
        print_sizes(Path(folder), contents)
        windows = [window for name, pair in contents if ": " not in name for window in pair]
        print_times(Path(folder), windows, options)
        print_streaming(Path(folder), windows, options)
        print_waiting(Path(folder), windows, options)
    return 0


def make_contents(folder: Path, options: argparse.Namespace) -> Iterator[Content]:
    """The two windows of each episode; of the first, pictures that are harder as well."""
    videos = [Path(video) for video in options.videos]
    if options.episodes:
        made = SynthesizeConfig(folder / "made-up", episodes=options.episodes, workers=1)
        synthesize(made)
        videos += find_media([made.output]).values()
    for index, video in enumerate(videos):
        pair = [extract(video, side, SETTINGS) for side in SIDES]
        yield video.name, pair
        if index == 0:
            yield from harder(video, pair)


def harder(video: Path, pair: list[Features]) -> Iterator[Content]:
    """The middle of the film instead of its ends; as 4:3, without bars; with grain; noise."""
    generator = np.random.default_rng(0)
    middle = probe(video).duration / 2

    def windows(text: str, pictures: list[np.ndarray]) -> Content:
        changed = [
            dataclasses.replace(window, frames=frames)
            for window, frames in zip(pair, pictures, strict=True)
        ]
        return f"{video.name}: {text}", changed

    wide = [np.zeros(SETTINGS.shapes["frames"], np.uint8) for _ in pair]
    full = [frames.copy() for frames in wide]
    times = [middle - 200 + second for second in range(400)]
    for second, frame in enumerate(frames_at(video, times)):
        if frame is not None:
            place = divmod(second, 200)
            picture = frame.rgb((88, 50)).transpose(2, 0, 1)
            wide[place[0]][place[1], :, 8:58] = picture
            full[place[0]][place[1]] = frame.rgb((118, 66))[:, 15:103].transpose(2, 0, 1)
    yield windows("the 400 s in its middle", wide)
    yield windows("these as 4:3 (sides cut off)", full)
    for deviation in (1, 2):
        grain = [
            np.clip(np.rint(frames + generator.normal(0, deviation, frames.shape)), 0, 255)
            for frames in full
        ]
        yield windows(
            f"4:3, thumbnails with grain of {deviation}/255",
            [frames.astype(np.uint8) for frames in grain],
        )
    noise = [generator.integers(0, 256, frames.shape, np.uint8) for frames in full]
    yield windows("noise", noise)


def print_sizes(folder: Path, contents: list[Content]) -> None:
    print("| two windows of | version 1, MB | packed, MB | save, CPU ms | load, CPU ms |")
    print("|---|---|---|---|---|")
    for name, pair in contents:
        sizes, saving, loading = [], [], []
        for window in pair:
            packed, plain = folder / "packed.safetensors", folder / "plain.safetensors"
            save_plain(window, plain)
            saving.append(cpu_seconds(lambda window=window, path=packed: save(window, path)))
            loading.append(cpu_seconds(lambda path=packed: load_features(path)))
            sizes.append((plain.stat().st_size, packed.stat().st_size))
            same(load_features(packed), window)
        before, after = (sum(column) / 1e6 for column in zip(*sizes, strict=True))
        times = " | ".join(f"{1e3 * sum(part):.1f}" for part in (saving, loading))
        print(f"| {name} | {before:.2f} | {after:.2f} | {times} |", flush=True)
    print()


def print_times(folder: Path, windows: list[Features], options: argparse.Namespace) -> None:
    """The time of a batch, all ways in turn, over and over."""
    ways: dict[str, Callable[[], None]] = {}
    for kind, write in (("version 1", save_plain), ("packed", save)):
        data = WindowDataset(make_windows(folder / kind, windows, BATCH, write))
        for threads in (0, options.threads):
            ways[f"{kind}, {threads} threads"] = lambda data=data, threads=threads: read(
                data, threads
            )
    walls: dict[str, list[float]] = {way: [] for way in ways}
    cpus: dict[str, list[float]] = {way: [] for way in ways}
    for repeat in range(options.repeats + 1):
        for way, act in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            act()
            if repeat:  # the first one warms up
                walls[way].append(time.perf_counter() - wall)
                cpus[way].append(time.process_time() - cpu)
    print(f"| a batch of {BATCH} windows | wall ms, median | least | CPU ms, median |")
    print("|---|---|---|---|")
    for way in ways:
        wall, cpu = statistics.median(walls[way]), statistics.median(cpus[way])
        print(f"| {way} | {1e3 * wall:.0f} | {1e3 * min(walls[way]):.0f} | {1e3 * cpu:.0f} |")
    print(flush=True)


def read(data: WindowDataset, threads: int) -> None:
    with closing(read_batches(data, [range(BATCH)], threads)) as batches:
        next(batches)


def print_streaming(folder: Path, windows: list[Features], options: argparse.Namespace) -> None:
    """Print the windows a second that are read of a folder, and of shards of it."""
    data = folder / "streamed"
    made = make_windows(data / "features", windows, 6 * BATCH, save)
    write_labels(data / "labels.txt", {window.id: window.seconds for window in made})
    shards = data / "shards"
    pack(ShardsConfig((str(data / "features"),), shards, data / "labels.txt", shard_mb=16))
    usual = {"batch_size": BATCH, "seed": 0}
    print("| windows of | threads | windows a second, median of epochs | CPU ms a window |")
    print("|---|---|---|---|")
    for threads in (0, options.threads):
        sources: dict[str, FolderSource | ShardSource] = {
            "a folder": FolderSource(WindowDataset(made), Process(), threads=threads, **usual),
            "shards": ShardSource(shards, Process(), threads=threads, **usual),
        }
        for name, source in sources.items():
            with closing(source.batches(0)) as batches:
                next(batches)
                times, cpu = [], time.process_time()
                for _ in range(options.repeats):
                    started = time.perf_counter()
                    for _ in range(source.epoch_steps):
                        next(batches)
                    times.append(time.perf_counter() - started)
                cpu = (time.process_time() - cpu) / (source.epoch_steps * BATCH * options.repeats)
            speed = source.epoch_steps * BATCH / statistics.median(times)
            print(f"| {name} | {threads} | {speed:.0f} | {1e3 * cpu:.1f} |", flush=True)
    print()


def print_waiting(folder: Path, windows: list[Features], options: argparse.Namespace) -> None:
    """Trainings of the smallest network, which need data the fastest."""
    data = folder / "data"
    made = make_windows(data / "features", windows, 4 * BATCH, save)
    write_labels(data / "labels.txt", {window.id: window.seconds for window in made})
    config = TrainConfig(
        data_root=data,
        batch_size=BATCH,
        max_epoch=options.epochs,
        warmup_epoch=1,
        model=ModelConfig(size="nano", inputs="audio+video+text"),
    )
    print("| training, nano, CPU | seconds an epoch | waiting for data |\n|---|---|---|")
    for threads in (0, options.threads):
        folder_of_run = folder / f"run{threads}"
        started = time.perf_counter()
        train(dataclasses.replace(config, save_prefix=folder_of_run, num_workers=threads))
        seconds = (time.perf_counter() - started) / options.epochs
        lines = (folder_of_run / "metrics.csv").read_text().splitlines()
        place = lines[0].split(",").index("waiting")
        shares = ", ".join(f"{float(line.split(',')[place]):.2%}" for line in lines[1:])
        print(f"| {threads} reading threads | {seconds:.1f} | {shares} |", flush=True)


def make_windows(
    folder: Path, windows: list[Features], count: int, write: Callable[[Features, Path], None]
) -> list[Window]:
    """``count`` files, the windows again and again under other names."""
    made = []
    for index in range(count):
        features = windows[index % len(windows)]
        window = WindowId(f"ep{index:03d}", features.side)
        path = feature_path(folder, window.name, features.side)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(dataclasses.replace(features, name=window.name), path)
        made.append(Window(window, 20.0 + index, path))
    return made


def save_plain(features: Features, path: Path) -> None:
    """As version 1 wrote it."""
    names = ("name", "side", "start", "covered", "duration", "notes")
    about = {name: getattr(features, name) for name in names}
    about |= {"source": asdict(features.source), "settings": asdict(features.settings)}
    tensors = {
        "mfcc": features.mfcc,
        "frames": features.frames,
        "text": np.packbits(features.text),
    }
    save_file(tensors, path, {"format": FORMAT, "version": "1", "about": json.dumps(about)})


def same(one: Features, other: Features) -> None:
    for key in ("mfcc", "frames", "text"):
        if getattr(one, key).tobytes() != getattr(other, key).tobytes():
            raise SystemExit(f"{key} did not come back as it was")


def cpu_seconds(act: Callable[[], object], repeats: int = 5) -> float:
    """The median of some runs, after one that warms up."""
    act()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        act()
        times.append(time.process_time() - started)
    return statistics.median(times)


if __name__ == "__main__":
    raise SystemExit(main())
