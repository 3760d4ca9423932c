"""Checkpoints: weights in safetensors, with all that is needed to rebuild the model inside."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from avtnet.config import ModelConfig
from avtnet.model import AVTNet, AVTNet_YOLT, build
from clipping.config import dump, restore
from clipping.errors import CheckpointError, ConfigError
from clipping.files import atomic_path
from preprocess.settings import FeatureSettings

FORMAT = "avtnet-checkpoint-1"
# What unpickling damaged bytes has been seen to raise, or may (the pickle module's manual).
PICKLE_ERRORS = (
    *(pickle.UnpicklingError, struct.error, RuntimeError, ValueError, LookupError, TypeError),
    *(AttributeError, ImportError, EOFError, MemoryError, OSError),
)


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says about itself."""

    model: ModelConfig
    if_normal: bool = False
    """Whether frames are scaled by ImageNet's mean and deviation."""
    features: FeatureSettings = field(default_factory=FeatureSettings)
    """The features it was trained on; others would mean something else to it."""
    reverse_ends: bool = False
    """Whether windows of the last seconds are shown backwards in time."""
    epoch: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    """Validation figures at that epoch."""
    training: dict[str, Any] = field(default_factory=dict)
    """The whole config of the training; see :class:`avtnet.config.TrainConfig`."""
    trained_on: str = ""
    """What the training data were, for people."""
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


def write_weights(
    path: Path, network: torch.nn.Module, about: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write weights (float16 where ``half``), JSON values about them, and a checksum of both."""
    state = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor)
        .detach()
        .cpu()
        .contiguous()
        for name, tensor in network.state_dict().items()
    }
    # Inside of the one text: safetensors writes several in an order that changes.
    text = json.dumps({**about, "sha256": checksum(about, state)}, sort_keys=True)
    with atomic_path(path) as temporary:
        save_file(state, temporary, metadata={"avtnet": text})


def checksum(about: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of what a checkpoint says and of its weights, as kept in its metadata."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(state.items()):
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def check_sum(path: Path, metadata: Mapping[str, str], state: Mapping[str, torch.Tensor]) -> None:
    """See that a file holds what was written; one without a checksum (before 2026-11-26) may.

    Raises:
        CheckpointError: where it does not.
    """
    about = json.loads(metadata["avtnet"])
    kept = about.pop("sha256", None)
    if kept is not None and kept != checksum(about, state):
        raise CheckpointError(
            f"{path}: damaged or changed: its checksum is another; fetch or train it again"
        )


def read_info(path: Path | str) -> CheckpointInfo:
    """What a checkpoint says about itself, without building the model.

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
    template = network.state_dict()
    wanted = {name: tuple(tensor.shape) for name, tensor in template.items()}
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
    state = {name: tensor.to(template[name].dtype) for name, tensor in held.items()}
    if bad := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise CheckpointError(f"{path}: {bad[0]} holds values that are not finite")
    check_sum(path, metadata, held)
    network.load_state_dict(state, assign=True)
    return Checkpoint(path, network.to(device).eval(), info)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file as safetensors reads it; its errors, while it is open too, as CheckpointErrors."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(2)
        with safe_open(path, framework="pt") as file:
            yield file
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except SafetensorError as error:
        # Not judged before: the length that a safetensors file starts with may look the same.
        if head == b"PK" or head[:1] == b"\x80":
            raise CheckpointError(
                f"{path}: this is a pickle (torch.save), which can run any code when it is read; "
                "only .safetensors checkpoints made by avtnet.train are loaded"
            ) from error
        raise CheckpointError(
            f"{path}: no safetensors checkpoint, or cut short ({error})"
        ) from error


def read_pickle(path: Path) -> Any:
    """What torch.save wrote: tensors and plain values; nothing in the file is run.

    Raises:
        CheckpointError: where it is damaged, or holds anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of pickles that are refused next
            return torch.load(path, map_location="cpu", weights_only=True)
    except PICKLE_ERRORS as error:
        reason = " ".join(str(error).split(". ")[0].split())
        raise CheckpointError(f"{path}: cannot be read as tensors: {reason}") from error


def versions() -> dict[str, str]:
    """The versions that decide what a run gives."""
    import platform
    from importlib import metadata

    names = ("avtnet", "torch", "numpy", "av", "scipy", "soxr", "onnxruntime")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


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
        return restore(CheckpointInfo, values)
    except (ConfigError, RecursionError) as error:
        raise CheckpointError(f"{path}: its settings are not understood: {error}") from error
