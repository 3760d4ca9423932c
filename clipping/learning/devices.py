"""The device that runs a network: one spelling for every command."""

from __future__ import annotations

import torch

from clipping.errors import ConfigError

CHOICES = "cpu, cuda, cuda:1, mps, or auto (a GPU where there is one)"


def find_device(name: str | torch.device) -> torch.device:
    """Return a device by name; ``auto`` is the first there is of a GPU, Apple's, and the CPU.

    Raises:
        ConfigError: for a name that is none of these, or a device that is not there.
    """
    if isinstance(name, str) and name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if _has_mps() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"--device is {CHOICES}, got --device {name}") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"--device {name}: torch sees {torch.cuda.device_count()} GPUs; auto takes one that is"
        )
    if device.type == "mps" and not _has_mps():
        raise ConfigError(f"--device {name}: torch sees no Apple GPU; auto takes one that is")
    if device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"--device is {CHOICES}, got --device {name}")
    return device


def _has_mps() -> bool:
    return torch.backends.mps.is_available()
