"""First weights: ImageNet's where they can be had, AVTNetDense's, or those of a relative."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from avtnet.classic import checkpoints
from avtnet.classic.model import AVTNet, AVTNet_YOLT
from avtnet.classic.parts import DenseAudioNet, ResNet18
from avtnet.dense import checkpoint as dense_checkpoint
from clipping.errors import CheckpointError, ConfigError
from clipping.learning.checkpoints import PICKLE_ERRORS, read_pickle

# torchvision's names of ResNet-18's layers → our numbers; its last layer is not used
LAYERS = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
BACKBONE = ("video", "audio", "fusion")
"""The parts of a network that are not its head."""


def load_pretrained(network: AVTNet | AVTNet_YOLT, source: str) -> str:
    """Load first weights into a part of ``network``; returns a line that says what was done.

    Args:
        network: changed in place, where it has what the source has weights of.
        source: ``"imagenet"`` (torchvision's cache or download; where there is none, training
            goes on from random weights), ``"shipped"`` (AVTNetDense's encoders),
            ``"none"``, or a file: torchvision's (.pth, safetensors) for a ResNet-18, or a
            checkpoint of this family, of which all but the head is taken.

    Raises:
        CheckpointError: where a file that was named cannot be used.
        ConfigError: where AVTNetDense's weights are asked for by a network of other encoders.
    """
    if source == "shipped":
        return _load_dense(network)
    frames = getattr(getattr(network, "video", None), "frames", None)
    resnet = frames if isinstance(frames, ResNet18) else None
    if source not in ("imagenet", "none") and (resnet is None or _is_checkpoint(Path(source))):
        return _load_backbone(network, Path(source))
    if resnet is None:
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
    ours = resnet.layers
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


def _load_dense(network: AVTNet | AVTNet_YOLT) -> str:
    if network.config.widths.frame_encoder != "dense":
        raise ConfigError(
            "--pretrained shipped fills the encoders that --model.size small_dense has; "
            f"{network.config.size} has others"
        )
    shipped = dense_checkpoint.shipped().network
    if isinstance(network.audio, DenseAudioNet):
        network.audio.sound.load_state_dict(shipped.sound.state_dict())
    if network.video is not None:
        network.video.frames.load_state_dict(shipped.frames.state_dict())
        if network.video.text is not None:
            network.video.text.load_state_dict(shipped.text.state_dict())
    return "the encoders start from the shipped AVTNetDense's weights"


def _is_checkpoint(path: Path) -> bool:
    try:
        checkpoints.read_info(path)
    except CheckpointError:
        return False
    return True


def _load_backbone(network: AVTNet | AVTNet_YOLT, path: Path) -> str:
    found = checkpoints.load(path).network.state_dict()
    ours = {
        name: value.shape
        for name, value in network.state_dict().items()
        if name.partition(".")[0] in BACKBONE
    }
    if wrong := [n for n, shape in ours.items() if n not in found or found[n].shape != shape]:
        raise CheckpointError(
            f"{path}: its encoders and GRUs are not as wide as this network's, or it sees less: "
            f"{wrong[0]} differs; take the same --model.size and --model.inputs"
        )
    network.load_state_dict({name: found[name] for name in ours}, strict=False)
    return f"all but the head starts from {path}"


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
