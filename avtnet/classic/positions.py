"""Positions of boundaries in windows, predicted by a network of the original's family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from avtnet.classic.checkpoints import Checkpoint
from avtnet.classic.dataset import from_either_end, to_batch
from clipping.errors import CheckpointError, FeatureError
from clipping.windows import WINDOW_SECONDS
from preprocess.features import Features, features_of
from preprocess.settings import FeatureSettings


def predict_windows(
    checkpoint: Checkpoint, windows: Sequence[Path | Features], *, batch_size: int = 8
) -> list[float]:
    """Return the boundary of each window, in seconds after the window's start (0..200).

    The device is the network's (:func:`avtnet.classic.checkpoints.load` puts it on one).

    Raises:
        FeatureError: where features were made with other settings than the network's.
        CheckpointError: where the weights are so large that the answer is no number.
    """
    device = next(checkpoint.network.parameters()).device
    positions: list[float] = []
    for first in range(0, len(windows), batch_size):
        features = [features_of(window) for window in windows[first : first + batch_size]]
        for window in features:
            check_window(checkpoint, window)
        batch = to_batch(features).to(device)
        backwards = torch.tensor(
            [checkpoint.info.reverse_ends and window.side == "end" for window in features],
            device=device,
        )
        if checkpoint.info.reverse_ends:
            batch = batch.reversed(backwards)
        with torch.inference_mode():
            out = checkpoint.network(*batch.inputs(if_normal=checkpoint.info.if_normal))
        if not out.position.isfinite().all():
            raise CheckpointError(f"{checkpoint.path}: the network's answers are no numbers")
        places = from_either_end(out.position.float(), backwards)
        positions += (places * WINDOW_SECONDS).tolist()
    return positions


def check_window(checkpoint: Checkpoint, window: Features) -> None:
    """Check that features were made like those that the network was trained on.

    Which sound stream was taken, and who computed the MFCC, does not matter.

    Raises:
        FeatureError: naming the settings that differ.
    """
    then, now = (_meaning(settings) for settings in (checkpoint.info.features, window.settings))
    if wrong := [name for name in then.keys() | now.keys() if then.get(name) != now.get(name)]:
        others = ", ".join(
            f"{name} {now.get(name)} (not {then.get(name)})" for name in sorted(wrong)
        )
        raise FeatureError(
            f"{window.name}_{window.side}: made with other settings than {checkpoint.path} was "
            f"trained on: {others}"
        )


def _meaning(settings: FeatureSettings) -> dict[str, object]:
    values = settings.decisive()
    return {name: value for name, value in values.items() if name not in ("audio", "mfcc_engine")}
