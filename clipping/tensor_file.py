"""safetensors files that anybody may have written: bounded before they are read, the same bytes
for the same arrays."""

from __future__ import annotations

import json
from pathlib import Path

from clipping.errors import FeatureError

_MAX_HEADER_BYTES = 1 << 20

DAMAGE = (KeyError, TypeError, ValueError, OverflowError, RecursionError)
"""What reading JSON and arrays of any content may raise (huge numbers, nesting without end)."""


def in_order(data: bytes) -> bytes:
    """The same safetensors file with its metadata sorted.

    The library writes them in an order that differs from process to process; equal arrays are
    equal bytes, so that runs can be compared.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # arrays stay aligned
    return len(text).to_bytes(8, "little") + text + data[end:]


def check_header(path: Path, *, most_bytes: int | None = None) -> None:
    """Refuse a safetensors file whose header would take much memory.

    Args:
        most_bytes: what the whole file may have; None: anything.

    Raises:
        FeatureError: where it would.
        OSError: where it cannot be read.
    """
    with open(path, "rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        total = stream.seek(0, 2)
    if size > _MAX_HEADER_BYTES:
        raise FeatureError(f"its header claims {size} bytes")
    if most_bytes is not None and total > most_bytes:
        raise FeatureError(f"it has {total} bytes, above {most_bytes}")
