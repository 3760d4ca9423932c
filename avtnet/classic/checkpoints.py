"""Checkpoints: weights in safetensors, with all that is needed to rebuild the model inside."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from avtnet.classic.config import ModelConfig
from avtnet.classic.model import AVTNet, AVTNet_YOLT, build
from avtnet.classic.networks import TABLE
from clipping.config import dump
from clipping.errors import CheckpointError, ClippingError
from clipping.learning.checkpoints import assign_weights, opened, write_weights
from clipping.tasks.settings import restore_with_network
from preprocess.settings import FeatureSettings

FORMAT = "avtnet-checkpoint-1"


@dataclass(frozen=True)
class CheckpointInfo:
    """The description that a checkpoint holds next to its weights."""

    model: ModelConfig
    if_normal: bool = False
    """True if frames are scaled by ImageNet's mean and deviation."""
    features: FeatureSettings = field(default_factory=FeatureSettings)
    """The features it was trained on; others would mean something else to it."""
    reverse_ends: bool = False
    """True if the network gets the windows of the last seconds backwards in time."""
    epoch: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    """Validation figures at that epoch."""
    training: dict[str, Any] = field(default_factory=dict)
    """The whole config of the training; see :class:`avtnet.classic.config.TrainConfig`."""
    trained_on: str = ""
    """A sentence about the training data, for people."""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """A rebuilt model in evaluation mode, and what its file says."""

    path: Path
    network: AVTNet | AVTNet_YOLT
    info: CheckpointInfo


def save(path: Path, network: torch.nn.Module, info: CheckpointInfo, *, half: bool = False) -> None:
    """Write the weights (float16 where ``half``) and ``info``, atomically."""
    write_weights(path, network, {"format": FORMAT, **dump(info)}, half=half)


def read_info(path: Path | str) -> CheckpointInfo:
    """Read the description of a checkpoint, without building the model.

    Raises:
        CheckpointError: where the file is missing, no safetensors file (a pickle is never read),
            cut short, or not one of ours.
    """
    path = Path(path)
    with opened(path) as file:
        metadata = file.metadata() or {}
    return _info(path, metadata)


def load(path: Path | str, device: str | torch.device = "cpu") -> Checkpoint:
    """Rebuild the model of a checkpoint on ``device``, in evaluation mode and single precision.

    Raises:
        CheckpointError: as :func:`read_info`, and where the weights are not those of the
            architecture that the file claims.
    """
    path = Path(path)
    info = read_info(path)
    # Without memory at first: what the config claims is compared with what the file holds.
    with torch.device("meta"):
        network = build(info.model)
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    with opened(path) as file:
        found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
        if wrong := sorted(
            name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
        ):
            first = wrong[0]
            raise CheckpointError(
                f"{path}: {len(wrong)} tensors are not those of a {info.model.size} "
                f"{info.model.kind}: {first} is {found.get(first, 'missing')}, "
                f"should be {wanted.get(first, 'absent')}"
            )
        metadata = file.metadata() or {}
        held = {name: file.get_tensor(name) for name in wanted}
    assign_weights(path, network, metadata, held)
    return Checkpoint(path, network.to(device).eval(), info)


def _info(path: Path, metadata: dict[str, str]) -> CheckpointInfo:
    try:
        values: dict[str, Any] = json.loads(metadata["avtnet"])
        if values.pop("format") != FORMAT:
            raise ValueError
        values.pop("sha256", None)  # see check_sum
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: these are weights, but no avtnet checkpoint ({FORMAT}): "
            "their architecture is not known"
        ) from error
    try:
        return restore_with_network(CheckpointInfo, values, TABLE)
    except (ClippingError, RecursionError) as error:
        raise CheckpointError(f"{path}: its settings are not understood: {error}") from error
