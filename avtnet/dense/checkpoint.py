"""A file with the weights of AVTNetDense, and the network that torch makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from avtnet.dense.decode import Probabilities
from avtnet.dense.info import FORMAT, SHIPPED, DenseInfo, read_dense_info
from avtnet.dense.inputs import Inputs
from avtnet.dense.model import AVTNetDense
from avtnet.dense.tensors import Tensors, as_tensors
from clipping.config import dump
from clipping.errors import CheckpointError
from clipping.learning.checkpoints import assign_weights, opened, write_weights

CPU = torch.device("cpu")


@dataclass(frozen=True)
class DenseCheckpoint:
    """A network in evaluation mode, and what its file says."""

    path: Path
    network: AVTNetDense
    info: DenseInfo

    def probabilities(self, inputs: Inputs, shown: Sequence[float] | None = None) -> Probabilities:
        """See :meth:`avtnet.dense.info.DenseNetwork.probabilities`."""
        device = next(self.network.parameters()).device
        # Pictures travel as bytes and become numbers where the network is.
        batch = Tensors(*(each.to(device) for each in as_tensors(inputs)))
        seen = None
        if shown is not None:
            seen = torch.tensor(shown, device=device).repeat(len(batch.sound), 1)
        with torch.inference_mode():
            out = self.network(*batch.numbers(), seen)
        logits = out.classes.softmax(-1), out.peaks.sigmoid(), out.offsets.softmax(-1)
        return Probabilities(*(each.float().cpu().numpy() for each in logits))


@lru_cache(maxsize=2)
def shipped(device: torch.device = CPU) -> DenseCheckpoint:
    """The weights that come with the package, read once a device."""
    return load(SHIPPED, device)


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
        info = read_dense_info(path, metadata)
        # Without memory at first: what the config claims is compared with what the file holds.
        with torch.device("meta"):
            network = AVTNetDense(info.model)
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in _keys(file)}
        wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        if shapes != wanted:
            raise CheckpointError(f"{path}: its tensors are not those of the AVTNetDense it claims")
        held = {name: file.get_tensor(name) for name in wanted}
    assign_weights(path, network, metadata, held)
    return DenseCheckpoint(path, network.to(device).eval(), info)


def _keys(file: Any) -> Iterator[str]:
    yield from file.keys()
