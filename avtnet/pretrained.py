"""ImageNet weights for the frame encoder, where they can be had."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from avtnet.checkpoints import PICKLE_ERRORS, read_pickle
from avtnet.model import AVTNet, AVTNet_YOLT
from avtnet.parts import ResNet18
from clipping.errors import CheckpointError

# torchvision's names of ResNet-18's layers → our numbers; its last layer is not used
LAYERS = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}


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
        except PICKLE_ERRORS as error:  # OSErrors of the network among them
            return (
                "the frame encoder starts from random weights: torchvision's ResNet-18 weights "
                f"could not be had ({error}); --pretrained FILE takes them from a file"
            )
    else:
        state = _read(Path(source))
    ours = network.video.frames.layers
    renamed = {}
    for name, value in state.items():
        layer, dot, rest = name.partition(".")
        if layer in LAYERS:
            renamed[f"{LAYERS[layer]}{dot}{rest}"] = value
    try:
        ours.load_state_dict(renamed)
    except RuntimeError as error:
        raise CheckpointError(
            f"{source}: these are not the weights of torchvision's resnet18"
        ) from error
    return f"the frame encoder starts from ImageNet weights ({source})"


def _read(path: Path) -> dict[str, Tensor]:
    try:
        state = load_file(path) if path.suffix == ".safetensors" else read_pickle(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read as safetensors: {error}") from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise CheckpointError(f"{path}: holds no table of weights, as torchvision's .pth files do")
    return state
