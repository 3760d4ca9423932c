"""A checkpoint of AVTNetDense: what it says about itself, and how one is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from avtnet.dense.decode import Probabilities
from avtnet.dense.inputs import Inputs
from avtnet.dense.settings import DenseConfig
from clipping.config import restore
from clipping.errors import CheckpointError, ConfigError, FeatureError
from preprocess.episode import Episode
from preprocess.features import Features
from preprocess.settings import FeatureSettings

FORMAT = "avtnet-dense-1"

SHIPPED = Path(__file__).parents[1] / "weights" / "dense.safetensors"
"""The weights that come with the package (docs/model-card.md), for torch."""


@dataclass(frozen=True)
class DenseInfo:
    """The description that a checkpoint of AVTNetDense holds next to its weights."""

    model: DenseConfig = field(default_factory=DenseConfig)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    """The features it was trained on; others would mean something else to it."""
    scale: float = 1.0
    offset: float = 0.0
    """A segment's score is sigmoid(scale · logit + offset) of the decoder's: calibrated."""
    trained_on: str = ""
    """A sentence about the training data, for people."""
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


class DenseNetwork(Protocol):
    """Weights that can be asked, by torch or by onnxruntime."""

    @property
    def path(self) -> Path:
        """The file they are from."""

    @property
    def info(self) -> DenseInfo:
        """The description that the network's file holds."""

    def probabilities(self, inputs: Inputs, shown: Sequence[float] | None = None) -> Probabilities:
        """Return the evidence for a batch, with an axis for its rows in front.

        Args:
            shown: which of sound, pictures, text and place are used, of 0 and 1; None: all.

        Raises:
            ConfigError: for ``shown`` where the weights' file has no such input.
        """


def calibrated(score: float, info: DenseInfo) -> float:
    """The decoder's score as the share of such segments that are right."""
    kept = min(max(score, 1e-4), 1 - 1e-4)
    logit = np.log(kept / (1 - kept))
    return float(1 / (1 + np.exp(-(info.scale * logit + info.offset))))


def check_settings(then: FeatureSettings, features: Features | Episode) -> None:
    """Check that features were made like those that the network was trained on.

    Raises:
        FeatureError: naming the settings that differ.
    """
    left_out = ("audio", "mfcc_engine", "window")
    before, now = (
        {name: value for name, value in settings.decisive().items() if name not in left_out}
        for settings in (then, features.settings)
    )
    if wrong := sorted(
        name for name in before.keys() | now.keys() if before.get(name) != now.get(name)
    ):
        side = f"_{features.side}" if isinstance(features, Features) else ""
        raise FeatureError(
            f"{features.name}{side}: made with other settings than AVTNetDense was "
            f"trained on: {', '.join(wrong)}"
        )


def read_dense_info(path: Path, metadata: Mapping[str, str]) -> DenseInfo:
    """Return what a file's metadata say.

    Raises:
        CheckpointError: naming the file, where it is no checkpoint of AVTNetDense.
    """
    try:
        values: dict[str, Any] = json.loads(metadata["avtnet"])
        if values.pop("format") != FORMAT:
            raise ValueError
        values.pop("sha256", None)  # clipping.learning.checkpoints.check_sum
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: is no checkpoint of AVTNetDense ({FORMAT})") from error
    try:
        return restore(DenseInfo, values)
    except (ConfigError, RecursionError) as error:
        raise CheckpointError(f"{path}: its settings are not understood: {error}") from error
