"""The original's ``--testB``: a submission for the windows that no label names."""

from __future__ import annotations

from pathlib import Path

import torch

from avtnet.classic import checkpoints
from avtnet.classic.config import TrainConfig
from avtnet.classic.positions import predict_windows
from clipping.errors import ClippingError, ConfigError
from clipping.files import require_output
from clipping.windows import WindowId, read_labels, write_submission

SUBMISSION = "submission.csv"


def predict_unlabelled(config: TrainConfig, device: torch.device) -> Path:
    """Predict the unlabelled windows below --data-root; return the submission that was written.

    It lies in --save-prefix. Which network it is and how frames are scaled comes from --weights.

    Raises:
        ClippingError: there are no such windows, or --weights or a feature file cannot be used.
    """
    assert config.weights is not None  # TrainConfig checks it
    checkpoint = checkpoints.load(config.weights, device)
    if config.if_normal and not checkpoint.info.if_normal:
        raise ConfigError(f"--if-normal, but {config.weights} was trained on frames from 0 to 1")
    windows = unlabelled(config.data_root)
    output = config.save_prefix / SUBMISSION
    require_output(output)
    positions = predict_windows(checkpoint, list(windows.values()))
    write_submission(output, dict(zip(windows, positions, strict=True)))
    return output


def unlabelled(data_root: Path) -> dict[WindowId, Path]:
    """The windows with features below ``data_root`` that labels.txt does not name, and their files.

    There may be no labels.txt at all.

    Raises:
        ClippingError: there is no such window.
        TableError: labels.txt is wrong.
    """
    folder, labels = data_root / "features", data_root / "labels.txt"
    known = read_labels(labels) if labels.is_file() else {}
    windows = {}
    for path in sorted(folder.rglob("*_*.safetensors")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        try:
            window = WindowId.parse(name)
        except ValueError:  # not the features of a window
            continue
        if window not in known and not path.name.startswith("."):
            windows[window] = path
    if not windows:
        raise ClippingError(
            f"{folder}: no features of a window without a label; for those with one use --test"
        )
    return windows
