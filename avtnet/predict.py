"""Features or videos in, the challenge's rows out: ``python -m avtnet.predict``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from clipping.config import parse, run
from clipping.errors import ClippingError, ConfigError, FeatureError
from clipping.extra import extra_imports
from clipping.files import require_output
from clipping.windows import WindowId, write_submission

if TYPE_CHECKING:
    from avtnet.search.finders import Finder
    from avtnet.search.inputs import CollectedFeatures
    from preprocess.features import Features

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
    """File to write the rows to."""
    features: Path | None = None
    """Folder to keep the features of videos in; absent, they are made for now only."""
    workers: int | None = None
    """Processes that make features; absent, one a core."""
    batch_size: int = 8
    """Windows that go through the network together."""
    device: str = "cpu"
    """Device that runs the network: cpu, cuda, cuda:1, mps, or auto."""

    def __post_init__(self) -> None:
        if not self.inputs:
            raise ConfigError("give at least one video, feature file, or folder of them")
        if self.weights is None:
            raise ConfigError("name the checkpoint: --weights RUN/best.safetensors")
        if not 1 <= self.batch_size <= 4096:
            raise ConfigError(f"--batch-size is 1 to 4096 windows, got {self.batch_size}")


def predict(config: PredictConfig) -> tuple[dict[WindowId, float], dict[str, str]]:
    """The position of each window, and the episodes that failed with the reason.

    Raises:
        ClippingError: where the weights cannot be used, or an input does not exist, or torch is not
            installed.
    """
    with extra_imports():  # here, not above: --help needs no torch
        from avtnet.search.finders import load_finders
        from avtnet.search.inputs import collect_features
        from clipping.learning.devices import find_device

    assert config.weights is not None  # PredictConfig checks it
    (finder,) = load_finders([config.weights], find_device(config.device))
    positions: dict[WindowId, float] = {}
    with collect_features(
        config.inputs, finder.features, keep=config.features, workers=config.workers
    ) as collected:
        failures = dict(collected.failures)
        waiting = _readable(collected, finder, failures)
        while some := dict(islice(waiting, config.batch_size)):
            answers = finder.answers(list(some.values()), batch_size=config.batch_size)
            positions |= {
                window: answer.position for window, answer in zip(some, answers, strict=True)
            }
    return positions, failures


def _readable(
    collected: CollectedFeatures, finder: Finder, failures: dict[str, str]
) -> Iterator[tuple[WindowId, Features]]:
    """Windows that can be read and are right for a network; of others, ``failures`` says why."""
    for called, name, read in _files(collected):
        try:
            for features in read():
                finder.check(features)
                yield WindowId(name, features.side), features
        except (FeatureError, ValueError) as error:  # ValueError: a name that no table can hold
            failures[called] = str(error)


def _files(
    collected: CollectedFeatures,
) -> Iterator[tuple[str, str, Callable[[], Sequence[Features]]]]:
    """Yield of each file of features: its name, its episode's, and a function for its windows."""
    for window, path in collected.features.items():
        yield str(window), window.name, partial(_window_of, path)
    for name, path in collected.episodes.items():
        yield name, name, partial(_windows_of, path)


def _window_of(path: Path) -> tuple[Features]:
    from preprocess.features import load

    return (load(path),)


def _windows_of(path: Path) -> tuple[Features, Features]:
    from preprocess.episode import open_episode

    return open_episode(path).windows()


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.predict``."""
    config = parse(PredictConfig, argv, prog=PROG, positional="inputs")
    return run(lambda: _command(config), PROG)


def _command(config: PredictConfig) -> int:
    from rich.console import Console

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
