"""The methods that benchmarks/accuracy.py compares: a window of features in, an answer out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import safe_open

from avtnet.classic import checkpoints
from avtnet.classic.checkpoints import Checkpoint
from avtnet.classic.finder import predict_window
from avtnet.classic.positions import predict_windows
from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.dense import inference
from avtnet.dense.decode import by_place, decode, likeliest
from avtnet.dense.info import calibrated
from avtnet.dense.inputs import from_features, halved
from avtnet.recipe import CHECKPOINTS
from clipping.learning.devices import find_device
from clipping.windows import Side
from ensemble.fusion import fuse_positions
from preprocess.features import Features

LABELS: dict[Side, str] = {"start": "opening", "end": "ending"}


@dataclass(frozen=True)
class Answer:
    """A segment in seconds of media time; ends that a method does not name are None."""

    start: float | None
    end: float | None
    score: float = 1.0
    likeliest: float | None = None
    """The challenge's boundary by a method that finds no segment."""

    @property
    def says(self) -> bool:
        """True if it is a segment."""
        return self.start is not None or self.end is not None


@dataclass(frozen=True)
class Window:
    """One window, and what is true of it."""

    features: Features
    side: Side
    truth: tuple[float, float] | None

    @property
    def label(self) -> float | None:
        """The challenge's boundary in media time."""
        if self.truth is None:
            return None
        return self.truth[1] if self.side == "start" else self.truth[0]


Method = Callable[[Window], Answer | None]


def constant(medians: dict[Side, float]) -> Method:
    """The median label of each side."""
    return lambda window: _named(window, window.features.start + medians[window.side])


def black_or_silence(medians: dict[Side, float]) -> Method:
    """The black or silent second that is nearest to the median."""

    def method(window: Window) -> Answer:
        features, usual = window.features, medians[window.side]
        length = int(features.covered)
        dark = features.frames[:length].mean((1, 2, 3)) < 8
        columns = np.rint((np.arange(length) + 0.5) * 43.07).astype(int)
        loud = features.mfcc[0][np.minimum(columns, features.mfcc.shape[1] - 1)]
        marks = np.flatnonzero(dark | (loud < np.percentile(loud, 50) - 250))
        at = marks[np.argmin(np.abs(marks - usual))] + 0.5 if len(marks) else usual
        return _named(window, features.start + float(at))

    return method


def network(path: Path) -> Method:
    """A network of the original's family, in three views (:mod:`avtnet.classic.finder`)."""
    model = checkpoints.load(path)

    def method(window: Window) -> Answer | None:
        boundary = predict_window(as_trained(window.features, model), [model])
        return _named(window, boundary.time, boundary.confidence)

    return method


def five(runs: Path) -> Iterator[tuple[str, Method]]:
    """The five checkpoints of the original's recipe, and their fusion by two-means.

    Each names a place in every window, as in a submission; so they have no word for "nothing".

    Args:
        runs: folder of the three trainings' runs, as :mod:`avtnet.recipe` names them.
    """
    models = {}
    for name, epoch in CHECKPOINTS:
        best, last = runs / name / "best.safetensors", sorted((runs / name).glob("epoch*"))
        # Where the best epoch is the last one, it lies there once.
        path = best if epoch == "best" or not last else last[-1]
        models[f"{name} {epoch} ({size_of(path)})"] = checkpoints.load(path)
    known: dict[tuple[str, Side, str], float] = {}

    def place(called: str, window: Window) -> float:
        key = (window.features.name, window.side, called)
        if key not in known:
            seen = as_trained(window.features, models[called])
            (known[key],) = predict_windows(models[called], [seen])
        return window.features.start + known[key]

    def one(called: str, window: Window) -> Answer:
        return _named(window, place(called, window))

    def fused(window: Window) -> Answer:
        fusion = fuse_positions({called: place(called, window) for called in models})
        return _named(window, fusion.position)

    for called in models:
        yield called, partial(one, called)
    yield "the five, fused", fused


def size_of(path: Path) -> str:
    """How many numbers a checkpoint holds, in words."""
    with safe_open(path, framework="numpy") as file:
        count = sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return f"{count / 1e6:.2f} M parameters"


def as_trained(features: Features, model: Checkpoint) -> Features:
    """Features with thumbnails of half the size for a network that was trained on such."""
    wanted = model.info.features
    if (wanted.frame_height, wanted.frame_width) != (33, 44):
        return features
    settings = replace(features.settings, frame_height=33, frame_width=44)
    return replace(features, frames=halved(features.frames), settings=settings)


def dense_network(path: Path, shown: Sequence[float] | None = None, device: str = "cpu") -> Method:
    """AVTNetDense, with some of its senses if not all."""
    checkpoint = dense_checkpoint.load(path, find_device(device))

    def method(window: Window) -> Answer | None:
        features = window.features
        given = inference.evidence(
            checkpoint,
            lambda first, last: from_features(features, first, last),
            features.settings.seconds,
            shown,
        )
        given = by_place(given, features.start, features.duration)
        for found in decode(given, covered=features.covered):
            if found.label == LABELS[window.side]:
                score = calibrated(found.score, checkpoint.info)
                return Answer(features.start + found.start, features.start + found.end, score)
        boundary = "opening end" if window.side == "start" else "ending start"
        place = features.start + likeliest(given, boundary, features.covered)
        return Answer(None, None, 0.0, place)

    return method


def _named(window: Window, time: float, score: float = 1.0) -> Answer:
    return Answer(None, time, score) if window.side == "start" else Answer(time, None, score)
