"""The task ``avtnet-tune``: AVTNetDense tuned on a person's own labelled episodes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from avtnet.dense.train_settings import NAME
from avtnet.tasks.predict import predict
from avtnet.tune import tune_files
from avtnet.tuning.settings import TuneConfig
from clipping.extra import extra_imports

__all__ = ["Config", "evaluate", "predict", "train"]

Config = TuneConfig


def train(config: TuneConfig) -> Path:
    """Tune on the labelled episodes; return the checkpoint.

    Raises:
        ClippingError: as :func:`avtnet.tune.tune_files`.
    """
    from rich.console import Console

    tune_files(config, Console(stderr=True, soft_wrap=True, markup=False))
    return config.output / NAME


def evaluate(config: TuneConfig, checkpoint: Path) -> Mapping[str, float]:
    """Return the figures of a checkpoint on the labelled episodes that the config names.

    Raises:
        ClippingError: if no episode is labelled, or the checkpoint cannot be used.
    """
    with extra_imports():  # here, not above: the help of a task needs no torch
        from avtnet.dense import checkpoint as dense_checkpoint
        from avtnet.tuning.source import read_source
        from avtnet.tuning.training import answers, figures

    network = dense_checkpoint.load(checkpoint)
    episodes, problems = read_source(config.source, network.info.features)
    for problem in problems:
        print(f"left out: {problem}", file=sys.stderr)
    return figures([each for episode in episodes for each in answers(network, episode)])
