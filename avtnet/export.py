"""A checkpoint as an ONNX file, or in half precision: ``python -m avtnet.export -o X.onnx``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipping.config import parse, run
from clipping.errors import ConfigError
from clipping.extra import extra_imports
from clipping.files import require_output

PROG = "python -m avtnet.export"


@dataclass(frozen=True)
class ExportConfig:
    """Write a checkpoint as ONNX, for programs without torch, or in half precision, to ship it.

    The ONNX file takes any number of windows at once, and AVTNetDense's any number of seconds. What
    its inputs and answers are, the classes, the calibration and the config are in its metadata.
    """

    checkpoint: tuple[str, ...] = field(
        default=(),
        metadata={"help": "a checkpoint (.safetensors); none: the shipped AVTNetDense"},
    )
    output: Path = Path("avtnet.onnx")
    """The file to write: .onnx, or .safetensors for a checkpoint of half the size."""
    half: bool = False
    """Keep the weights of an ONNX file as float16, which is lossless for a checkpoint of half the
    size; the network computes in float32 all the same."""

    def __post_init__(self) -> None:
        if len(self.checkpoint) > 1:
            raise ConfigError(f"one checkpoint makes one file, got {' '.join(self.checkpoint)}")
        if self.output.suffix not in (".onnx", ".safetensors"):
            raise ConfigError(f"--output ends in .onnx or .safetensors, got {self.output}")


def export(
    checkpoint: Path | str | None = None,
    output: Path | str = "avtnet.onnx",
    *,
    half: bool = False,
) -> Path:
    """Write a checkpoint as ONNX, or in half precision, atomically; returns the file.

    Args:
        checkpoint: of AVTNetDense or of the original's family; None takes the shipped AVTNetDense.
        output: its ending, .onnx or .safetensors, says which.
        half: keep the weights of an ONNX file as float16.

    Raises:
        CheckpointError: where the checkpoint cannot be used.
        ClippingError: where the file cannot be written, or torch is not installed.
    """
    with extra_imports():  # here, not above: --help needs no torch
        from avtnet.onnx_export import write_checkpoint

    return write_checkpoint(checkpoint, output, half=half)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.export``."""
    config = parse(ExportConfig, argv, prog=PROG, positional="checkpoint")

    def command() -> None:
        require_output(config.output)
        checkpoint = config.checkpoint[0] if config.checkpoint else None
        written = export(checkpoint, config.output, half=config.half)
        print(f"written: {written} ({written.stat().st_size / 1e6:.1f} MB)")

    return run(command, PROG)


if __name__ == "__main__":
    sys.exit(main())
