"""A file with the weights of AVTNetDense and all that is needed to use them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avtnet.dense.model import AVTNetDense, DenseConfig
from clipping.config import dump, restore
from clipping.errors import CheckpointError, ConfigError, FeatureError
from clipping.learning.checkpoints import check_sum, opened, write_weights
from preprocess.episode import Episode
from preprocess.features import Features
from preprocess.settings import FeatureSettings

FORMAT = "avtnet-dense-1"

CPU = torch.device("cpu")

SHIPPED = Path(__file__).parents[1] / "weights" / "dense.safetensors"
"""The weights that come with the package (docs/model-card.md)."""


@dataclass(frozen=True)
class DenseInfo:
    """What a checkpoint of AVTNetDense says about itself."""

    model: DenseConfig = field(default_factory=DenseConfig)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    """The features it was trained on; others would mean something else to it."""
    scale: float = 1.0
    offset: float = 0.0
    """A segment's score is sigmoid(scale · logit + offset) of the decoder's: calibrated."""
    trained_on: str = ""
    """What the training data were, for people."""
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DenseCheckpoint:
    """A network in evaluation mode, and what its file says."""

    path: Path
    network: AVTNetDense
    info: DenseInfo


@lru_cache(maxsize=2)
def shipped(device: torch.device = CPU) -> DenseCheckpoint:
    """The weights that come with the package, read once a device."""
    return load(SHIPPED, device)


def calibrated(score: float, info: DenseInfo) -> float:
    """The decoder's score as the share of such segments that are right."""
    kept = min(max(score, 1e-4), 1 - 1e-4)
    logit = np.log(kept / (1 - kept))
    return float(1 / (1 + np.exp(-(info.scale * logit + info.offset))))


def check_settings(then: FeatureSettings, features: Features | Episode) -> None:
    """See that features mean to the network what those of its training meant.

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


def save(path: Path, network: AVTNetDense, info: DenseInfo, *, half: bool = False) -> None:
    """Write the weights (float16 where ``half``) and ``info`` as safetensors, atomically."""
    write_weights(path, network, {"format": FORMAT, **dump(info)}, half=half)


def load(path: Path | str, device: str | torch.device = "cpu") -> DenseCheckpoint:
    """Rebuild a network from its file, in evaluation mode and single precision.

    Raises:
        CheckpointError: where the file is missing, damaged, a pickle, or not one of AVTNetDense.
    """
    path = Path(path)
    with opened(path) as file:
        metadata = file.metadata() or {}
        info = _info(path, metadata)
        # Without memory at first: what the config claims is compared with what the file holds.
        with torch.device("meta"):
            network = AVTNetDense(info.model)
        template = network.state_dict()
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in _keys(file)}
        wanted = {name: tuple(tensor.shape) for name, tensor in template.items()}
        if shapes != wanted:
            raise CheckpointError(f"{path}: its tensors are not those of the AVTNetDense it claims")
        held = {name: file.get_tensor(name) for name in wanted}
    state = {name: tensor.to(template[name].dtype) for name, tensor in held.items()}
    if bad := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise CheckpointError(f"{path}: {bad[0]} holds values that are not finite")
    check_sum(path, metadata, held)
    network.load_state_dict(state, assign=True)
    return DenseCheckpoint(path, network.to(device).eval(), info)


def is_dense(path: Path | str) -> bool:
    """Whether a file's weights are AVTNetDense's, and not those of the original's family.

    Raises:
        CheckpointError: where it is missing, damaged, or a pickle.
    """
    with opened(Path(path)) as file:
        text = (file.metadata() or {}).get("avtnet", "")
    try:
        about = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(about, dict) and about.get("format") == FORMAT


def _keys(file: Any) -> Iterator[str]:
    yield from file.keys()


def _info(path: Path, metadata: Mapping[str, str]) -> DenseInfo:
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
