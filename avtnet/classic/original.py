"""Checkpoints of the original's scripts → ours: ``avtnet weights import original``.

The original keeps a state dict in a pickle (torch.save), and nothing about the network that it is
of. The names of its parameters tell which network it is; docs/original.md lists the parts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from avtnet.classic import checkpoints
from avtnet.classic.checkpoints import CheckpointInfo
from avtnet.classic.config import ModelConfig
from avtnet.classic.model import build
from avtnet.classic.networks import NETWORKS
from clipping.config import parse, run
from clipping.errors import CheckpointError, ConfigError
from clipping.files import require_output
from clipping.learning.checkpoints import read_pickle, versions

PROG = "avtnet weights import original"

Replacement = str | Callable[[re.Match[str]], str]
NAMES: tuple[tuple[str, Replacement], ...] = (
    (r"^video\.frames\.layers", "videoNet.front_end"),
    (r"^video\.text\.(\d)", lambda found: f"videoNet.rpn.conv{int(found[1]) + 1}"),
    (r"^video\.gru", "videoNet.back_end"),
    (r"^audio\.stem", "audioNet.conv.conv"),
    (r"^audio\.stages\.(\d)", lambda found: f"audioNet.conv.layer{int(found[1]) + 1}"),
    (r"excite\.1\.(weight|bias)$", r"conv3.\1"),
    (r"excite\.3\.(weight|bias)$", r"conv4.\1"),
    (r"shortcut", "downsample"),
    (r"^audio\.norm", "audioNet.conv.bn"),
    (r"^audio\.gru", "audioNet.gru"),
    (r"^fusion\.excite", "se.fc"),
    (r"^regress(\d?)", r"fc\1"),
)
"""Our names of parameters → the original's, applied one after the other."""
UNUSED = re.compile(r"audioNet\.conv[1-4]\.")
"""The TempConv stack in the original's AudioNet, which nothing reads."""
WRAPPERS = ("state_dict", "model")
"""Keys under which training scripts keep the weights next to other values."""
_Template = dict[str, tuple[str, Tensor]]
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class ImportConfig:
    """Turn a checkpoint of the original's training scripts into one of ours.

    It takes AVTNet, AVTNet2 and AVTNet_YOLT, and tells them apart by their parameters. The file is
    read as tensors and plain values: nothing in it is run.
    """

    from_: Path | None = None
    """The original's file: avnet_bestmodel.pth, avnet_epoch63.pth."""
    output: Path = Path("original.safetensors")
    """The checkpoint to write."""
    if_normal: bool = False
    """It was trained on frames scaled by ImageNet's mean and deviation; the file
    itself does not say so."""

    def __post_init__(self) -> None:
        if self.from_ is None:
            raise ConfigError("name the original's file: --from avnet_bestmodel.pth")
        if self.output.suffix != ".safetensors":
            raise ConfigError(f"a checkpoint ends in .safetensors, got {self.output}")


def original_name(name: str) -> str:
    """The original's name of one of our parameters."""
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def import_original(path: Path, output: Path, *, if_normal: bool = False) -> CheckpointInfo:
    """Write the original's checkpoint ``path`` as ours; return what the new file says of itself.

    Args:
        if_normal: the network was trained on frames scaled by ImageNet's mean and deviation.

    Raises:
        CheckpointError: where the file cannot be read, or is not of one of the three networks; the
            message names what is missing and what is too much.
    """
    kind, state = read_original(path)
    with torch.device("meta"):
        network = build(ModelConfig(kind=kind))
    network.load_state_dict(state, assign=True)
    with open(path, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    info = CheckpointInfo(
        model=ModelConfig(kind=kind),
        if_normal=if_normal,
        trained_on=f"imported from the original's {path.name}, SHA-256 {digest}",
        versions=versions(),
    )
    checkpoints.save(output, network, info)
    return info


def read_original(path: Path) -> tuple[str, dict[str, Tensor]]:
    """Return the kind of network in a file of the original, and its weights by our names, float32.

    Raises:
        CheckpointError: as :func:`import_original`.
    """
    return recognized(read_pickle(path), path)


def recognized(held: object, path: Path) -> tuple[str, dict[str, Tensor]]:
    """Return the same, of the loaded content of such a file; ``path`` is for errors."""
    found = _state(held, path)
    kinds = {kind: _template(kind) for kind in NETWORKS}
    kind = min(kinds, key=lambda each: len(_differences(kinds[each], found)))
    wanted = kinds[kind]
    if _differences(wanted, found):
        raise CheckpointError(f"{path}: {_difference_text(wanted, found, kind)}")
    state = {}
    for name, (ours, template) in wanted.items():
        if name not in found:  # a counter of batches
            state[ours] = torch.zeros((), dtype=template.dtype)
            continue
        # Copied: in a file, strides may be such that one number stands for many.
        state[ours] = torch.empty(template.shape, dtype=template.dtype).copy_(found[name])
        if not state[ours].isfinite().all():
            raise CheckpointError(f"{path}: {name} holds values that are not finite")
    return kind, state


def _template(kind: str) -> _Template:
    """The original's names of a network's parameters → ours, and an empty tensor of the shape."""
    with torch.device("meta"):
        network = build(ModelConfig(kind=kind))
    return {original_name(name): (name, value) for name, value in network.state_dict().items()}


def _state(held: object, path: Path) -> dict[str, Tensor]:
    """Return the weights in a file's content, by the original's names, without unused ones."""
    for key in WRAPPERS:
        if isinstance(held, dict) and isinstance(held.get(key), dict):
            held = held[key]
    if (
        not isinstance(held, dict)
        or not held
        or not all(isinstance(name, str) and _is_plain(value) for name, value in held.items())
    ):
        raise CheckpointError(f"{path}: holds no table of weights, as the original's files do")
    # Trained on several GPUs, each name begins with torch's wrapper, DataParallel: "module.".
    names = {re.sub(r"^(module\.)+", "", name): value for name, value in held.items()}
    return {name: value for name, value in names.items() if not UNUSED.match(name)}


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and value.dtype in (*FLOATS, torch.int64)
    )


def _differences(wanted: _Template, found: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the names at which a file differs from a network: missing, extra, of another shape."""
    differences = {}
    for name, (_, template) in wanted.items():
        if name not in found:
            # torch before 0.4.1 had no counters of batches, and no network here reads them.
            if not name.endswith("num_batches_tracked"):
                differences[name] = "missing"
        elif found[name].shape != template.shape:
            differences[name] = f"is {tuple(found[name].shape)}, should be {tuple(template.shape)}"
        elif found[name].is_floating_point() != template.is_floating_point():
            differences[name] = f"is {found[name].dtype}"
    return differences | {name: "too much" for name in found if name not in wanted}


def _difference_text(wanted: _Template, found: Mapping[str, Tensor], kind: str) -> str:
    """Return the differences to the nearest network as a line of text."""
    differences = _differences(wanted, found)
    missing = [name for name, what in differences.items() if what == "missing"]
    extra = [name for name, what in differences.items() if what == "too much"]
    other = [f"{name} {what}" for name, what in differences.items() if what.startswith("is ")]
    parts = [
        f"{len(names)} {what} ({', '.join(names[:3])}{' …' if len(names) > 3 else ''})"
        for what, names in (("missing", missing), ("too much", extra), ("different", other))
        if names
    ]
    named = _class_of(kind)
    return f"not AVTNet, AVTNet2 or AVTNet_YOLT; compared with {named}: {'; '.join(parts)}"


def _class_of(kind: str) -> str:
    return NETWORKS[kind].module.partition(":")[2]


def main(argv: Sequence[str] | None = None) -> int:
    """``avtnet weights import original``."""
    config = parse(ImportConfig, argv, prog=PROG)

    def command() -> None:
        assert config.from_ is not None  # ImportConfig checks it
        require_output(config.output)
        info = import_original(config.from_, config.output, if_normal=config.if_normal)
        scaled = "normalized frames" if info.if_normal else "frames in 0..1"
        print(f"written: {config.output} ({_class_of(info.model.kind)}, {scaled})")

    return run(command, PROG)
