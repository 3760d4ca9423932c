"""Write a checkpoint as an ONNX file that says itself what it is.

The inputs are what feature files and :func:`avtnet.dense.inputs.from_features` hold (pictures stay
bytes), and the answers are probabilities or positions, so a program that runs the file needs none
of this code: what each tensor means stands in the file's metadata.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avtnet.classic import checkpoints
from avtnet.classic.checkpoints import Checkpoint
from avtnet.classic.dataset import Batch, from_either_end
from avtnet.classic.model import AVTNet, AVTNet_YOLT
from avtnet.classic.parts import AudioNet, DenseAudioNet
from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.dense.checkpoint import DenseCheckpoint
from avtnet.dense.info import FORMAT as DENSE_FORMAT
from avtnet.dense.info import SHIPPED
from avtnet.dense.model import AVTNetDense
from avtnet.dense.onnx_network import FORMAT, KIND, OUTPUTS
from avtnet.dense.settings import BINS, BOUNDARIES, CLASSES, PLACES, REACH, SLOTS
from clipping.config import dump
from clipping.errors import CheckpointError
from clipping.extra import extra_imports
from clipping.files import atomic_path
from clipping.learning.checkpoints import format_of
from clipping.windows import WINDOW_SECONDS

OPSET = 17
"""Version of ONNX's operators: the first with layer norms."""
TRACED_SECONDS = 6
"""Length of the input with which AVTNetDense is traced; the written file takes any length."""
TRACED_ROWS = 1
"""Windows at once meanwhile; the file takes any number. A GRU's first state of one row is spread
over as many as there are; one of two would stay two."""


def write_checkpoint(
    checkpoint: Path | str | None, output: Path | str, *, half: bool = False
) -> Path:
    """Write a checkpoint as ONNX, or in half precision; see :func:`avtnet.export.export`."""
    source, output = Path(checkpoint or SHIPPED), Path(output)
    kept, traced_of = _KINDS.get(format_of(source), _KINDS[checkpoints.FORMAT])
    loaded = kept.load(source)
    if output.suffix == ".safetensors":
        kept.save(output, loaded.network, loaded.info, half=True)
        return output
    traced = traced_of(loaded)
    written = _with_metadata(
        _written_down(traced, half),
        {**traced.about, "checkpoint": source.name, "checkpoint_sha256": _checksum(source)},
    )
    with atomic_path(output) as temporary:
        temporary.write_bytes(written)
    return output


@dataclass(frozen=True)
class _Traced:
    """A module to trace, example inputs for it, and the description that goes into the file."""

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    axes: dict[str, dict[int, str]]
    """The axes of inputs and outputs that may have any length, by name."""
    about: dict[str, Any]


class _Dense(nn.Module):
    """AVTNetDense from bytes to probabilities."""

    def __init__(self, network: AVTNetDense) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, sound: Tensor, frames: Tensor, text: Tensor, place: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        out = self.network(sound, frames.float() / 255, text.float(), place)
        return out.classes.softmax(-1), out.peaks.sigmoid(), out.offsets.softmax(-1)


class _Window(nn.Module):
    """A network of the original's family from bytes to seconds of the window."""

    def __init__(self, network: AVTNet | AVTNet_YOLT, if_normal: bool) -> None:
        super().__init__()
        self.network, self.if_normal = network, if_normal

    def forward(
        self, mfcc: Tensor, frames: Tensor, text: Tensor, last: Tensor | None = None
    ) -> Tensor:
        batch = Batch(mfcc, frames, text.float())  # onnxruntime cannot choose between bools
        if last is not None:
            batch = batch.reversed(last)
        position: Tensor = self.network(*batch.inputs(if_normal=self.if_normal)).position
        if last is not None:
            position = from_either_end(position, last)
        return position * WINDOW_SECONDS


class _Means(nn.Module):
    """Adaptive mean pooling of a known length, as a product that ONNX knows, too."""

    weights: Tensor

    def __init__(self, length: int, steps: int) -> None:
        super().__init__()
        weights = torch.zeros(length, steps)
        for step in range(steps):  # the same bounds as torch's adaptive_avg_pool1d
            first, last = step * length // steps, -(-(step + 1) * length // steps)
            weights[first:last, step] = 1 / (last - first)
        self.register_buffer("weights", weights)

    def forward(self, columns: Tensor) -> Tensor:
        return columns @ self.weights


def _dense(checkpoint: DenseCheckpoint) -> _Traced:
    info, count = checkpoint.info, TRACED_SECONDS
    inputs = {
        "sound": torch.zeros(TRACED_ROWS, 20, SLOTS * count),
        "frames": torch.zeros(TRACED_ROWS, count, 3, 33, 44, dtype=torch.uint8),
        "text": torch.zeros(TRACED_ROWS, count, 27, 36, dtype=torch.bool),
        "place": torch.zeros(TRACED_ROWS, count, PLACES),
    }
    long = {0: "windows", 1: "seconds"}
    means = {
        "sound": f"MFCC: {SLOTS} of the columns of each second, those nearest to its {SLOTS} equal "
        "parts' middles",
        "frames": "RGB 0..255 of the frame shown at each whole second, thumbnails halved",
        "text": "where text stands on that frame",
        "place": "where each second stands in its file: log(1 + s / 10) / 5 of the seconds before "
        "it and after it, exp(-s / 30) of both, and 1 where it exists",
        "classes": "the probability of each class for each second",
        "peaks": "the probability that each boundary is within about a second",
        "offsets": f"where it is: probabilities of {BINS} places from {-REACH:g} to {REACH:g} s "
        "from the second's middle",
    }
    return _Traced(
        _Dense(checkpoint.network),
        inputs,
        OUTPUTS,
        {"sound": {0: "windows", 2: f"{SLOTS} * seconds"}}
        | {name: long for name in (*inputs, *OUTPUTS) if name != "sound"},
        {
            "kind": KIND,
            "tensors": means,
            "classes": CLASSES,
            "boundaries": BOUNDARIES,
            "offset_seconds": np.linspace(-REACH, REACH, BINS).tolist(),
            "calibration": {"scale": info.scale, "offset": info.offset},
            "config": dump(info),
        },
    )


def _window(checkpoint: Checkpoint) -> _Traced:
    network, info = deepcopy(checkpoint.network), checkpoint.info
    shapes, steps = info.features.shapes, info.model.steps
    if network.audio is not None:
        length = _columns(network.audio, shapes["mfcc"][1])
        network.audio.add_module("pool", _Means(length, steps))
    if network.video is not None:
        network.video.add_module("pool", _Means(shapes["frames"][0], steps))
    inputs = {
        "mfcc": torch.zeros(TRACED_ROWS, *shapes["mfcc"]),
        "frames": torch.zeros(TRACED_ROWS, *shapes["frames"], dtype=torch.uint8),
        "text": torch.zeros(TRACED_ROWS, *shapes["text"], dtype=torch.bool),
    }
    if info.reverse_ends:
        inputs["last"] = torch.zeros(TRACED_ROWS, dtype=torch.bool)
    means = {
        "mfcc": "of the window's sound",
        "frames": "RGB 0..255 of the frame shown at each whole second",
        "text": "where text stands on that frame",
        "last": "whether it is a window of the last seconds",
        "seconds": "after the window's start: where the opening ends in a window of the first "
        "seconds, where the ending starts in one of the last",
    }
    return _Traced(
        _Window(network, info.if_normal),
        inputs,
        ("seconds",),
        {name: {0: "windows"} for name in (*inputs, "seconds")},
        {
            "kind": type(network).__name__,
            "tensors": {name: means[name] for name in (*inputs, "seconds")},
            "config": dump(info),
        },
    )


_KINDS: dict[str, tuple[Any, Callable[[Any], _Traced]]] = {
    checkpoints.FORMAT: (checkpoints, _window),
    DENSE_FORMAT: (dense_checkpoint, _dense),
}
"""By the format of a checkpoint: the module that reads and writes it, and what is traced of it."""


def _columns(audio: AudioNet | DenseAudioNet, columns: int) -> int:
    """Return the number of steps before the sound is pooled; only shapes are computed."""
    with torch.device("meta"):
        empty = torch.empty(1, 20, columns)
    return int(deepcopy(audio).to("meta").encoded(empty).shape[1])


def _written_down(traced: _Traced, half: bool) -> bytes:
    """The module as ONNX.

    By torch's first exporter, which needs no other package than ``onnx``; the second needs more.
    """
    with tempfile.TemporaryDirectory(prefix="avtnet-") as folder, warnings.catch_warnings():
        path = Path(folder, "traced.onnx")
        # It says that it is the first one, and asks about GRUs; a test runs other numbers of rows.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            traced.module.eval(),
            tuple(traced.inputs.values()),
            path,
            input_names=list(traced.inputs),
            output_names=list(traced.outputs),
            dynamic_axes=traced.axes,
            opset_version=OPSET,
            # PRESERVE of a module in evaluation mode: norms are not multiplied into the weights
            # before them, which then would be no float16 numbers any more. onnxruntime does that.
            training=torch.onnx.TrainingMode.PRESERVE if half else torch.onnx.TrainingMode.EVAL,
            dynamo=False,
        )
        return _halved(path.read_bytes()) if half else path.read_bytes()


def _halved(model: bytes) -> bytes:
    """The same model with its weights as float16, each cast to float32 where it is used."""
    import onnx
    from onnx import numpy_helper

    proto = onnx.load_from_string(model)
    casts = []
    for weights in proto.graph.initializer:
        if weights.data_type != onnx.TensorProto.FLOAT:
            continue
        short = numpy_helper.to_array(weights).astype(np.float16)
        name = weights.name
        weights.CopyFrom(numpy_helper.from_array(short, f"{name}.half"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT)
        )
    rest = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend([*casts, *rest])
    written: bytes = proto.SerializeToString()
    return written


def _with_metadata(model: bytes, about: Mapping[str, Any]) -> bytes:
    """Return the model with a description in its metadata: text as it is, other values as JSON."""
    with extra_imports():
        import onnx

    proto = onnx.load_from_string(model)
    properties = {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name, value in {"format": FORMAT, **about}.items()
    }
    onnx.helper.set_model_props(proto, properties)
    proto.doc_string = f"{about['kind']}: openings and endings of episodes, by avtnet"
    onnx.checker.check_model(proto)
    written: bytes = proto.SerializeToString()
    return written


def _checksum(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
