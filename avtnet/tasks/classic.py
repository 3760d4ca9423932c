"""The task ``avtnet``: where the opening ends and the ending begins, in windows of 200 s.

Its networks are the original's AVTNet, AVTNet2 and AVTNet_YOLT, and those of plugins.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from avtnet import train as training
from avtnet.classic.config import TrainConfig
from avtnet.evaluate import EvaluateConfig
from avtnet.evaluate import evaluate as evaluate_windows
from avtnet.tasks.predict import predict

__all__ = ["Config", "evaluate", "predict", "train"]

Config = TrainConfig


def train(config: TrainConfig) -> Path:
    """Train a network; return the checkpoint of the best epoch.

    Raises:
        ClippingError: as :func:`avtnet.train.train`.
    """
    return training.train(config) / "best.safetensors"


def evaluate(config: TrainConfig, checkpoint: Path) -> Mapping[str, float]:
    """Return the challenge's figures of a checkpoint on the windows that validate, in seconds.

    These are the windows of ``val_root``, or else the share of ``data_root`` that is kept back.

    Raises:
        ClippingError: if data are missing, or the checkpoint cannot be used.
    """
    judged = EvaluateConfig(
        data_root=config.val_root or config.data_root,
        weights=checkpoint,
        windows="val" if config.val_root is None else "all",
        data_seed=config.data_seed,
        device="cpu" if config.gpus is None else "cuda",
    )
    return evaluate_windows(judged).figures["all"]
