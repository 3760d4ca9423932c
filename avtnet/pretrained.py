"""ImageNet weights for the frame encoder, where they can be had."""

from __future__ import annotations

import pickle
from pathlib import Path
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from avtnet.model import AVTNet, AVTNet_YOLT
from avtnet.parts import ResNet18
from clipping.errors import CheckpointError


def load_imagenet(network: AVTNet | AVTNet_YOLT, source: str) -> str:
    """Load ResNet-18's ImageNet weights into ``network``; returns a line that says what was done.

    Args:
        network: changed in place, where it has a ResNet-18.
        source: ``"imagenet"`` (torchvision's cache or download; where there is none, training
            goes on from random weights), ``"none"``, or a file (.pth of torchvision, safetensors).

    Raises:
        CheckpointError: where a file that was named cannot be used.
    """
    if network.video is None or not isinstance(network.video.frames, ResNet18):
        return "no ResNet-18 in this network: it starts from random weights"
    if source == "none":
        return "the frame encoder starts from random weights (--pretrained none)"
    if source == "imagenet":
        from torchvision.models import ResNet18_Weights

        try:
            state = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
        except (URLError, OSError, RuntimeError) as error:
            return (
                "the frame encoder starts from random weights: torchvision's ResNet-18 weights "
                f"could not be had ({error}); --pretrained FILE takes them from a file"
            )
    else:
        state = _read(Path(source))
    ours = network.video.frames.layers
    # torchvision names the layers, we number them: without the last layer the order is the same.
    theirs = [(name, value) for name, value in state.items() if not name.startswith("fc.")]
    names = list(ours.state_dict())
    shapes = [tuple(value.shape) for value in ours.state_dict().values()]
    if [tuple(value.shape) for _, value in theirs] != shapes:
        raise CheckpointError(f"{source}: these are not the weights of torchvision's resnet18")
    ours.load_state_dict(dict(zip(names, (value for _, value in theirs), strict=True)))
    return f"the frame encoder starts from ImageNet weights ({source})"


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            f"{path}: no weights (.pth saved by torchvision, or .safetensors): {error}"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(f"{path}: holds no table of weights")
    return state
