"""Features or videos in, the challenge's rows out: ``python -m avtnet.predict``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from avtnet.checkpoints import Checkpoint
from avtnet.dataset import to_batch
from avtnet.losses import WINDOW_SECONDS
from clipping.errors import FeatureError
from preprocess.features import Features
from preprocess.features import load as load_features


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
    """
    wanted = checkpoint.info.features.decisive()
    positions: list[float] = []
    for first in range(0, len(windows), batch_size):
        features = [
            load_features(window) if isinstance(window, Path) else window
            for window in windows[first : first + batch_size]
        ]
        for window in features:
            if window.settings.decisive() != wanted:
                raise FeatureError(
                    f"{window.name}_{window.side}: made with other settings than {checkpoint.path} "
                    f"was trained on: {window.settings.decisive()} instead of {wanted}"
                )
        inputs = to_batch(features).to(device).inputs(if_normal=checkpoint.info.if_normal)
        with torch.inference_mode():
            out = checkpoint.network(*inputs)
        positions += (out.position.float() * WINDOW_SECONDS).tolist()
    return positions
