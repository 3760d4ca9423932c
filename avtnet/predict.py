"""Features or videos in, the challenge's rows out: ``python -m avtnet.predict``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console

from avtnet import checkpoints
from avtnet.checkpoints import Checkpoint
from avtnet.dataset import to_batch
from avtnet.gather import gather
from clipping.config import parse, run
from clipping.errors import CheckpointError, ClippingError, ConfigError, FeatureError
from clipping.files import require_output
from clipping.tables import WINDOW_SECONDS, WindowId, write_submission
from preprocess.features import Features
from preprocess.features import load as load_features
from preprocess.settings import FeatureSettings

PROG = "python -m avtnet.predict"


@dataclass(frozen=True)
class PredictConfig:
    """Predict where openings end and endings start, as a submission of the challenge.

    Writes a row a window: NAME_start.mp4,s,64.684 (seconds after the window's start).
    """

    inputs: tuple[str, ...] = field(
        default=(), metadata={"help": "feature files, videos, or folders of them"}
    )
    weights: Path | None = None
    """The checkpoint (.safetensors) to predict with."""
    output: Path = Path("submission.csv")
    """Where the rows go."""
    features: Path | None = None
    """Folder to keep the features of videos in; absent, they are made for now only."""
    workers: int | None = None
    """Processes that make features; absent, one a core."""
    device: str = "cpu"
    """Where the network runs: cpu, cuda, cuda:1."""

    def __post_init__(self) -> None:
        if not self.inputs:
            raise ConfigError("give at least one video, feature file, or folder of them")
        if self.weights is None:
            raise ConfigError("name the checkpoint: --weights RUN/best.safetensors")


def predict(config: PredictConfig) -> tuple[dict[WindowId, float], dict[str, str]]:
    """The position of each window, and the episodes that failed with the reason.

    Raises:
        ClippingError: where the weights cannot be used, or an input does not exist.
    """
    assert config.weights is not None  # PredictConfig checks it
    checkpoint = checkpoints.load(config.weights, find_device(config.device))
    settings = checkpoint.info.features
    with gather(config.inputs, settings, keep=config.features, workers=config.workers) as gathered:
        positions: dict[WindowId, float] = {}
        failures = dict(gathered.failures)
        for window, path in gathered.features.items():
            try:
                (positions[window],) = predict_windows(checkpoint, [path], device=config.device)
            except FeatureError as error:
                failures[str(window)] = str(error)
    return positions, failures


def predict_windows(
    checkpoint: Checkpoint,
    windows: Sequence[Path | Features],
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 8,
) -> list[float]:
    """Where the boundary of each window is, in seconds after the window's start (0..200).

    Raises:
        FeatureError: where features were made with other settings than the network's.
        CheckpointError: where the weights are so large that the answer is no number.
    """
    positions: list[float] = []
    for first in range(0, len(windows), batch_size):
        features = [
            load_features(window) if isinstance(window, Path) else window
            for window in windows[first : first + batch_size]
        ]
        for window in features:
            check_settings(checkpoint, window)
        inputs = to_batch(features).to(device).inputs(if_normal=checkpoint.info.if_normal)
        with torch.inference_mode():
            out = checkpoint.network(*inputs)
        if not out.position.isfinite().all():
            raise CheckpointError(f"{checkpoint.path}: the network's answers are no numbers")
        positions += (out.position.float() * WINDOW_SECONDS).tolist()
    return positions


def check_settings(checkpoint: Checkpoint, window: Features) -> None:
    """See that features mean to the network what those of its training meant.

    Which sound stream was taken, and who computed the MFCC, does not matter.

    Raises:
        FeatureError: naming the settings that differ.
    """
    then, now = (_meaning(settings) for settings in (checkpoint.info.features, window.settings))
    if wrong := [name for name in then.keys() | now.keys() if then.get(name) != now.get(name)]:
        told = ", ".join(f"{name} {now.get(name)} (not {then.get(name)})" for name in sorted(wrong))
        raise FeatureError(
            f"{window.name}_{window.side}: made with other settings than {checkpoint.path} was "
            f"trained on: {told}"
        )


def find_device(name: str) -> torch.device:
    """A torch device by name.

    Raises:
        ConfigError: for a name torch does not know, or a GPU that is not there.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"--device is cpu, cuda or cuda:1, got {name!r}") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"--device {name}: torch sees {torch.cuda.device_count()} GPUs")
    return device


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


def _meaning(settings: FeatureSettings) -> dict[str, object]:
    values = settings.decisive()
    return {name: value for name, value in values.items() if name not in ("audio", "mfcc_engine")}


if __name__ == "__main__":
    sys.exit(main())
