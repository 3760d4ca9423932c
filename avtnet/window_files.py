"""Compose windows of rendered pieces, as feature files with labels.

AVTNet, AVTNet2 and AVTNet_YOLT are trained on windows that hold the boundary of their side. This
module makes such windows of the pieces that AVTNetDense is trained on (:mod:`avtnet.dense_train`).
"""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from rich.console import Console

from avtnet.dense.inputs import Example
from avtnet.dense.settings import BOUNDARIES
from avtnet.dense.window_answer import ASKED
from avtnet.synthesis.composer import Composer
from avtnet.synthesis.library import read_pieces
from avtnet.synthesis.settings import ComposeConfig
from clipping.errors import ClippingError
from clipping.files import require_writable
from clipping.formats.tables import write_timelines
from clipping.identity import Source
from clipping.learning.progress import progress_bar
from clipping.segments import Segment, Timeline
from clipping.windows import WINDOW_SECONDS, Side, WindowId, write_labels
from preprocess.features import SIDES, Features, feature_path, save
from preprocess.features import load as load_features
from preprocess.settings import FeatureSettings

SETTINGS = FeatureSettings(frame_height=33, frame_width=44)
"""Settings of the windows: pieces are rendered at half of the usual thumbnails' size."""
_AT_ONCE = 32
"""Number of windows that a process makes in one job."""
_TRIES = 200
"""Most consecutive examples that may lack the boundary."""


def compose_windows(config: ComposeConfig, console: Console) -> Path:
    """Make the windows that are missing, then the labels; return the folder.

    Raises:
        ClippingError: if there are no pieces, or the folder cannot be written.
    """
    require_writable(config.output)
    shards = sorted(config.library.glob(f"{config.split}-*.safetensors"))[: config.shards]
    if not shards:
        raise ClippingError(
            f"{config.library}: there are no pieces of the split {config.split}; "
            "render them: python -m avtnet.dense_train --library DIR"
        )
    groups = [
        range(first, min(first + _AT_ONCE, config.windows))
        for first in range(0, config.windows, _AT_ONCE)
    ]
    truths: dict[WindowId, Truth] = {}
    context = multiprocessing.get_context("spawn")
    # One thread each: 16 processes made 220 windows per second, 150 with 16 threads each.
    pool = ProcessPoolExecutor(config.workers, context, torch.set_num_threads, (1,))
    with progress_bar(console) as bar, pool:
        task = bar.add_task("composing", total=config.windows)
        jobs = [pool.submit(_make, tuple(shards), config, group) for group in groups]
        try:
            for job in as_completed(jobs):
                made = job.result()
                truths |= made
                bar.advance(task, len(made))
        finally:
            pool.shutdown(cancel_futures=True)
    # First and last windows alternate, so that every seventh, which validates, is of both sides.
    ordered = sorted(truths, key=lambda each: (each.name, SIDES.index(each.side)))
    songs = []
    for each in ordered:
        first, last = truths[each].song
        if last > first:  # not only the window's edge
            song = Segment(first, last, ASKED[each.side][0])
            songs.append(Timeline(str(each), WINDOW_SECONDS, (song,)))
    write_timelines(config.output / "songs.csv", songs)
    write_labels(config.output / "labels.txt", {each: truths[each].label for each in ordered})
    return config.output


class Truth(NamedTuple):
    """The labels of a window, in seconds of the window."""

    label: float
    """Position of the boundary of its side."""
    song: tuple[float, float]
    """Start and end of that side's song within the window."""


def _make(shards: tuple[Path, ...], config: ComposeConfig, numbers: range) -> dict[WindowId, Truth]:
    """Make the windows with these numbers, unless they exist; return their labels."""
    truths = {}
    for number in numbers:
        window = WindowId(f"w{number // 2:06d}", SIDES[number % 2])
        path = feature_path(config.output / "features", window.name, window.side)
        note = f"composed: seed {config.seed}, {len(shards)} files of {config.split}, "
        note += f"{config.mirrored:g} mirrored, {config.spliced:g} spliced, boundary at "
        if path.is_file():
            notes = load_features(path).notes
            if len(notes) != 1 or not notes[0].startswith(note) or "song" not in notes[0]:
                raise ClippingError(
                    f"{path}: is of another seed or of other pieces, or mirrored or spliced "
                    "otherwise; take an empty --output"
                )
            truths[window] = _noted(notes[0].removeprefix(note))
            continue
        features, truth = composed(_composer(shards, config.seed, config.spliced), number, window)
        if np.random.default_rng([config.seed, 24, number]).random() < config.mirrored:
            features = mirror(features)
        whole = f"{note}{truth.label:.4f} s, song from {truth.song[0]:.4f} to {truth.song[1]:.4f} s"
        save(replace(features, notes=(whole,)), path)
        truths[window] = _noted(whole.removeprefix(note))
    return truths


def _noted(words: str) -> Truth:
    """Return the labels that stand in a note after its settings."""
    label, first, last = (float(word) for word in words.split() if word[-1].isdigit())
    return Truth(label, (first, last))


@lru_cache(maxsize=1)
def _composer(shards: tuple[Path, ...], seed: int, spliced: float) -> Composer:
    """Return the composer of a process, which reads its pieces once."""
    moments = np.arange(SETTINGS.columns) * SETTINGS.hop_samples / SETTINGS.sample_rate
    pieces = [piece for path in shards for piece in read_pieces(path)]
    return Composer(pieces, seed, SETTINGS.seconds, moments, spliced)


def composed(composer: Composer, number: int, window: WindowId) -> tuple[Features, Truth]:
    """Return a window of a composed episode that holds the boundary of its side, and its labels.

    Raises:
        ClippingError: if none of _TRIES examples holds one.
    """
    for attempt in range(_TRIES):
        example = composer.example(number * _TRIES + attempt, window.side)
        if (truth := truth_of(example, window.side)) is not None:
            break
    else:
        raise ClippingError("no window with the boundary came of these pieces; render more")
    covered = _covered(example)
    # As in the features of a file, the columns after the sound are zeros.
    columns = 1 + int(covered * SETTINGS.sample_rate) // SETTINGS.hop_samples
    example.sound[:, columns:] = 0
    features = Features(
        mfcc=np.ascontiguousarray(example.sound, np.float32),
        frames=example.frames,
        text=example.text,
        name=window.name,
        side=window.side,
        start=example.start,
        covered=covered,
        duration=example.duration,
        source=Source(f"composed-{number}", 0, ""),
        settings=SETTINGS,
    )
    return features, truth


def truth_of(example: Example, side: Side) -> Truth | None:
    """Return the labels of an example as a window of that side; None if it lacks the boundary."""
    kind, boundary = ASKED[side]
    if math.isnan(example.times[BOUNDARIES.index(boundary)]):
        return None
    covered = _covered(example)
    edges = {f"{kind} start": 0.0, f"{kind} end": covered}  # where the window cuts the song
    times = {name: float(example.times[BOUNDARIES.index(name)]) for name in edges}
    # The time of a file's first picture may lie a little before it.
    first, last = (
        edge if math.isnan(times[name]) else min(max(0.0, times[name]), covered)
        for name, edge in edges.items()
    )
    return Truth(last if side == "start" else first, (first, last))


def _covered(example: Example) -> float:
    """Return the seconds of the example that are within its file."""
    return min(SETTINGS.window, example.duration - example.start)


def mirror(features: Features) -> Features:
    """Return the window with its pictures and text mirrored, left and right."""
    turned = {kind: np.flip(getattr(features, kind), -1).copy() for kind in ("frames", "text")}
    return replace(features, **turned)
