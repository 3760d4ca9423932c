"""Features or videos in, the challenge's rows out: ``python -m avtnet.predict``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from rich.console import Console

from avtnet.classic import checkpoints
from avtnet.classic.checkpoints import Checkpoint
from avtnet.classic.positions import check_settings, features_of, predict_windows
from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.dense import inference
from avtnet.dense.checkpoint import DenseCheckpoint
from avtnet.dense.decode import by_place, likeliest
from avtnet.dense.info import check_settings as check_dense_settings
from avtnet.search.inputs import CollectedFeatures, collect_features
from clipping.config import parse, run
from clipping.errors import ClippingError, ConfigError, FeatureError
from clipping.files import require_output
from clipping.learning.devices import find_device
from clipping.segments import Segment
from clipping.windows import WINDOW_SECONDS, Side, WindowId, write_submission
from preprocess.episode import open_episode
from preprocess.features import Features
from preprocess.features import load as load_features

PROG = "python -m avtnet.predict"


@dataclass(frozen=True)
class PredictConfig:
    """Predict where openings end and endings start, as a submission of the challenge.

    Writes a row a window: NAME_start.mp4,s,64.684 (seconds after the window's start). AVTNetDense,
    which may also say that there is nothing, is asked for the likeliest place all the same: a
    submission has a row for every window.
    """

    inputs: tuple[str, ...] = field(
        default=(),
        metadata={"help": "feature files (.safetensors, .episode), videos, or folders of them"},
    )
    weights: Path | None = None
    """The checkpoint (.safetensors) to predict with: of the original's family or AVTNetDense."""
    output: Path = Path("submission.csv")
    """Where the rows go."""
    features: Path | None = None
    """Folder to keep the features of videos in; absent, they are made for now only."""
    workers: int | None = None
    """Processes that make features; absent, one a core."""
    batch_size: int = 8
    """Windows that go through the network together."""
    device: str = "cpu"
    """Where the network runs: cpu, cuda, cuda:1, mps, or auto."""

    def __post_init__(self) -> None:
        if not self.inputs:
            raise ConfigError("give at least one video, feature file, or folder of them")
        if self.weights is None:
            raise ConfigError("name the checkpoint: --weights RUN/best.safetensors")
        if not 1 <= self.batch_size <= 4096:
            raise ConfigError(f"batch_size is 1 to 4096 windows, got {self.batch_size}")


def predict(config: PredictConfig) -> tuple[dict[WindowId, float], dict[str, str]]:
    """The position of each window, and the episodes that failed with the reason.

    Raises:
        ClippingError: where the weights cannot be used, or an input does not exist.
    """
    assert config.weights is not None  # PredictConfig checks it
    checkpoint = load_any(config.weights, find_device(config.device))
    settings = checkpoint.info.features
    positions: dict[WindowId, float] = {}
    with collect_features(
        config.inputs, settings, keep=config.features, workers=config.workers
    ) as gathered:
        failures = dict(gathered.failures)
        waiting = _readable(gathered, checkpoint, failures)
        while some := dict(islice(waiting, config.batch_size)):
            answers = answer_windows(checkpoint, list(some.values()), batch_size=config.batch_size)
            positions |= {
                window: answer.position for window, answer in zip(some, answers, strict=True)
            }
    return positions, failures


@dataclass(frozen=True)
class WindowAnswer:
    """What a network says of a window."""

    position: float
    """Where the opening ends or the ending starts: seconds after the window's start (0..200)."""
    segments: tuple[Segment, ...] | None = None
    """What AVTNetDense finds, in seconds after the window's start; None where the network knows
    nothing but the position."""


def load_any(weights: Path, device: torch.device) -> Checkpoint | DenseCheckpoint:
    """A checkpoint of the original's family or of AVTNetDense, as its file says.

    Raises:
        CheckpointError: where it is neither, or cannot be used.
    """
    if dense_checkpoint.is_dense(weights):
        return dense_checkpoint.load(weights, device)
    return checkpoints.load(weights, device)


def answer_windows(
    checkpoint: Checkpoint | DenseCheckpoint,
    windows: Sequence[Path | Features],
    *,
    batch_size: int = 8,
) -> list[WindowAnswer]:
    """What either kind of network says of windows, so many at a time.

    Raises:
        FeatureError, CheckpointError: as :func:`predict_windows`.
    """
    if isinstance(checkpoint, Checkpoint):
        positions = predict_windows(checkpoint, windows, batch_size=batch_size)
        return [WindowAnswer(position) for position in positions]
    seen = inference.probabilities_of_many(
        map(features_of, windows), checkpoint, batch_size=batch_size
    )
    answers = []
    for window, given in seen:
        label, boundary = ASKED[window.side]
        found = tuple(
            replace(each, start=each.start - window.start, end=each.end - window.start)
            for each in inference.segments(window, given, checkpoint)
        )
        known = next((each for each in found if each.label == label), None)
        if known is None:
            placed = by_place(given, window.start, window.duration)
            place = likeliest(placed, boundary, window.covered)
        else:
            place = known.end if window.side == "start" else known.start
        answers.append(WindowAnswer(min(max(place, 0.0), WINDOW_SECONDS), found))
    return answers


ASKED: dict[Side, tuple[str, str]] = {
    "start": ("opening", "opening end"),
    "end": ("ending", "ending start"),
}
"""The role that a submission asks for, and its boundary."""


def _readable(
    gathered: CollectedFeatures, checkpoint: Checkpoint | DenseCheckpoint, failures: dict[str, str]
) -> Iterator[tuple[WindowId, Features]]:
    """Windows that can be read and are right for a network; of others, ``failures`` says why."""
    for called, name, read in _files(gathered):
        try:
            for features in read():
                if isinstance(checkpoint, Checkpoint):
                    check_settings(checkpoint, features)
                else:
                    check_dense_settings(checkpoint.info.features, features)
                yield WindowId(name, features.side), features
        except (FeatureError, ValueError) as error:  # ValueError: a name that no table can hold
            failures[called] = str(error)


def _files(
    gathered: CollectedFeatures,
) -> Iterator[tuple[str, str, Callable[[], Sequence[Features]]]]:
    """What each file of features is called, the episode that it is of, what reads its windows."""
    for window, path in gathered.features.items():
        yield str(window), window.name, partial(_window_of, path)
    for name, path in gathered.episodes.items():
        yield name, name, partial(_windows_of, path)


def _window_of(path: Path) -> tuple[Features]:
    return (load_features(path),)


def _windows_of(path: Path) -> tuple[Features, Features]:
    return open_episode(path).windows()


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.predict``."""
    config = parse(PredictConfig, argv, prog=PROG, positional="inputs")
    return run(lambda: _command(config), PROG)


def _command(config: PredictConfig) -> int:
    console = Console(stderr=True, soft_wrap=True, markup=False)
    require_output(config.output)
    positions, failures = predict(config)
    for name, reason in failures.items():
        console.print(f"failed: {name}: {reason}", style="red")
    if not positions:
        raise ClippingError("no window could be predicted; nothing was written")
    write_submission(config.output, positions)
    console.print(f"{len(positions)} windows: {config.output}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
