"""AVTNetDense from an ONNX file, by onnxruntime: what a plain install asks, without torch.

``python -m avtnet.export`` writes such files; the shipped one is made of the shipped weights by
``python -m avtnet.export --half -o avtnet/weights/dense.onnx`` and holds their checksum.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from avtnet.dense.decode import Probabilities
from avtnet.dense.info import DenseInfo
from avtnet.dense.inputs import Inputs
from clipping.config import restore
from clipping.errors import CheckpointError, ClippingError, ConfigError
from clipping.onnx_session import open_session

FORMAT = "avtnet-onnx-1"
KIND = "AVTNetDense"
SHIPPED = Path(__file__).parents[1] / "weights" / "dense.onnx"
"""The weights that come with the package (docs/model-card.md), for onnxruntime."""
OUTPUTS = ("classes", "peaks", "offsets")
"""Names of the file's outputs: the fields of :class:`avtnet.dense.decode.Probabilities`."""


@dataclass(frozen=True)
class OnnxNetwork:
    """An open ONNX file of AVTNetDense, and what it says about itself."""

    path: Path
    info: DenseInfo
    session: Any
    """Session of onnxruntime; several threads may use it."""

    def probabilities(self, inputs: Inputs, shown: Sequence[float] | None = None) -> Probabilities:
        """See :meth:`avtnet.dense.info.DenseNetwork.probabilities`."""
        if shown is not None:
            raise ConfigError(f"{self.path}: senses are left out by torch only, of .safetensors")
        return Probabilities(*self.session.run(OUTPUTS, inputs._asdict()))


@lru_cache(maxsize=1)
def shipped_onnx() -> OnnxNetwork:
    """Return the weights that come with the package; they are read once."""
    return load(SHIPPED)


def load(path: Path) -> OnnxNetwork:
    """Open an ONNX file that ``python -m avtnet.export`` wrote of AVTNetDense.

    Raises:
        CheckpointError: where it is missing, damaged, or another network's.
    """
    try:
        model = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    # Without its arena, the memory of 3,000 s at once is given back before the next file's.
    try:
        session = open_session(model, threads=None, arena=False)
    except ClippingError as error:
        raise CheckpointError(f"{path}: {error}") from error
    about = session.get_modelmeta().custom_metadata_map
    if about.get("format") != FORMAT or about.get("kind") != KIND:
        raise CheckpointError(f"{path}: is no {KIND} that avtnet export wrote ({FORMAT})")
    try:
        return OnnxNetwork(path, restore(DenseInfo, json.loads(about["config"])), session)
    except (KeyError, ValueError, ConfigError, RecursionError) as error:
        raise CheckpointError(f"{path}: its settings are not understood: {error}") from error
