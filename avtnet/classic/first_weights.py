"""The weights that a training starts from, and the parts of a network that keep theirs."""

from __future__ import annotations

from torch import nn

from avtnet.classic import checkpoints
from avtnet.classic.config import TrainConfig
from avtnet.classic.model import AVTNet, AVTNet_YOLT
from avtnet.classic.pretrained import load_pretrained
from clipping.errors import CheckpointError, ConfigError


def first_weights(network: AVTNet | AVTNet_YOLT, config: TrainConfig) -> str:
    """Load what a training starts from, --weights or --pretrained; returns a line that says it.

    Weights fit every network with tensors of the same names and shapes: dropout, for one, has none.

    Raises:
        CheckpointError, ConfigError: they cannot be used for this network.
    """
    if config.weights is None:
        return load_pretrained(network, config.pretrained)
    checkpoint = checkpoints.load(config.weights)
    state = checkpoint.network.state_dict()
    shapes = {name: value.shape for name, value in state.items()}
    if shapes != {name: value.shape for name, value in network.state_dict().items()}:
        raise CheckpointError(
            f"{config.weights}: holds another network ({checkpoint.info.model}) than the one "
            f"to train ({config.model})"
        )
    network.load_state_dict(state)
    return f"starting from {config.weights}"


def part_of(network: nn.Module, name: str) -> nn.Module:
    """Return a part of a network by its name, such as ``video.text``.

    Raises:
        ConfigError: there is none; the message names those that there are.
    """
    parts = {called: part for called, part in network.named_modules() if called}
    if name not in parts:
        known = ", ".join(called for called in parts if called.count(".") < 2)
        raise ConfigError(f"--frozen {name}: this network has no such part; it has {known}")
    return parts[name]
