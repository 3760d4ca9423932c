"""The task ``avtnet-composed``: the original's networks on windows composed in every step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from avtnet.composed_train import ComposedConfig, train_composed
from avtnet.evaluate import EvaluateConfig
from avtnet.evaluate import evaluate as evaluate_windows
from avtnet.tasks.predict import predict

__all__ = ["Config", "evaluate", "predict", "train"]

Config = ComposedConfig


def train(config: ComposedConfig) -> Path:
    """Train a network; return the checkpoint of the best validation.

    Raises:
        ClippingError: as :func:`avtnet.composed_train.train_composed`.
    """
    return train_composed(config) / "best.safetensors"


def evaluate(config: ComposedConfig, checkpoint: Path) -> Mapping[str, float]:
    """Return the challenge's figures of a checkpoint on the windows of ``val_root``, in seconds.

    Raises:
        ClippingError: if windows are missing, or the checkpoint cannot be used.
    """
    judged = EvaluateConfig(data_root=config.val_root, weights=checkpoint)
    return evaluate_windows(judged).figures["all"]
