"""Weights in safetensors, with metadata and a checksum; pickles of tensors, read safely."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from clipping.errors import CheckpointError
from clipping.files import atomic_path

# What unpickling damaged bytes has been seen to raise, or may (the pickle module's manual).
PICKLE_ERRORS = (
    *(pickle.UnpicklingError, struct.error, RuntimeError, ValueError, LookupError, TypeError),
    *(AttributeError, ImportError, EOFError, MemoryError, OSError),
)


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
    """Return the SHA-256 of a checkpoint's description and weights, as in its metadata."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(state.items()):
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def check_sum(path: Path, metadata: Mapping[str, str], state: Mapping[str, torch.Tensor]) -> None:
    """Compare a file with its checksum; files from before 2026-11-26 have none and pass.

    Raises:
        CheckpointError: where it does not.
    """
    about = json.loads(metadata["avtnet"])
    kept = about.pop("sha256", None)
    if kept is not None and kept != checksum(about, state):
        raise CheckpointError(
            f"{path}: damaged or changed: its checksum is another; fetch or train it again"
        )


def format_of(path: Path) -> str:
    """Return the format that a checkpoint's metadata name; empty if they name none.

    Raises:
        CheckpointError: if the file is missing, damaged, or a pickle.
    """
    with opened(path) as file:
        text = (file.metadata() or {}).get("avtnet", "")
    try:
        about = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    named = about.get("format") if isinstance(about, dict) else None
    return named if isinstance(named, str) else ""


def assign_weights(
    path: Path,
    network: torch.nn.Module,
    metadata: Mapping[str, str],
    held: Mapping[str, torch.Tensor],
) -> None:
    """Give a network (which may have no memory yet) the tensors that its file holds, once checked.

    Args:
        held: tensors by the names of the network's, of any precision; they get the network's.

    Raises:
        CheckpointError: one holds a value that is not finite, or the checksum is another.
    """
    template = network.state_dict()
    state = {name: tensor.to(template[name].dtype) for name, tensor in held.items()}
    if bad := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise CheckpointError(f"{path}: {bad[0]} holds values that are not finite")
    check_sum(path, metadata, held)
    network.load_state_dict(state, assign=True)


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
                "only .safetensors checkpoints made by avtnet.train are loaded (those of the "
                "original become such files: avtnet weights import original)"
            ) from error
        raise CheckpointError(
            f"{path}: no safetensors checkpoint, or cut short ({error})"
        ) from error


def read_pickle(path: Path) -> Any:
    """Read a file of torch.save: tensors and plain values; no code in the file is run.

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
    """Return the versions of everything that decides the result of a run."""
    import platform
    from importlib import metadata

    names = ("avtnet", "torch", "numpy", "av", "scipy", "soxr", "onnxruntime")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}
