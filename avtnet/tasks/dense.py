"""The task ``avtnet-dense``: both ends of openings and endings, or nothing, by AVTNetDense."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from avtnet.dense.train_settings import DenseTrainConfig
from avtnet.dense_train import train_dense
from avtnet.tasks.predict import predict
from clipping.errors import ClippingError
from clipping.extra import extra_imports

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Config", "evaluate", "predict", "train"]

Config = DenseTrainConfig


def train(config: DenseTrainConfig) -> Path:
    """Train AVTNetDense on composed episodes; return its checkpoint.

    Raises:
        ClippingError: as :func:`avtnet.dense_train.train_dense`.
    """
    return train_dense(config, _console())


def evaluate(config: DenseTrainConfig, checkpoint: Path) -> Mapping[str, float]:
    """Return the figures of a checkpoint on the composed windows that validate a training.

    Raises:
        ClippingError: if nothing validates, or the checkpoint cannot be used.
    """
    with extra_imports():  # here, not above: the help of a task needs no torch
        from avtnet.dense import checkpoint as dense_checkpoint
        from avtnet.dense.measure import measure
        from avtnet.dense_on_composed import held_examples

    network = dense_checkpoint.load(checkpoint).network
    examples = held_examples(config, _console())
    if not examples:
        raise ClippingError("nothing validates: --validation-shards is 1 or more")
    return measure(network, examples)


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True, markup=False)
