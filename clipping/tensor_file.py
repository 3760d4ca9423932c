"""safetensors files that anybody may have written: bounded before they are read, the same bytes
for the same arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clipping.errors import ClippingError, FeatureError

_MAX_HEADER_BYTES = 1 << 20

DAMAGE = (KeyError, TypeError, ValueError, OverflowError, RecursionError)
"""What reading JSON and arrays of any content may raise (huge numbers, nesting without end)."""


@dataclass(frozen=True)
class Form:
    """One kind of such files, which say about themselves, as JSON, what is in them."""

    name: str
    version: int
    """Goes up when the file looks otherwise, or its numbers mean something else."""
    most_bytes: int
    """No file of it is larger."""
    what: str
    """What it is called in an error, such as ``"a theme"``."""
    mend: str = ""
    """What to do about a damaged one."""

    def said(self, about: str, tensors: Mapping[str, np.ndarray]) -> dict[str, str]:
        """The metadata of a file."""
        version = str(self.version)
        digest = _digest(about, tensors)
        return {"format": self.name, "version": version, "about": about, "digest": digest}


@dataclass(frozen=True)
class Told:
    """An open file of a form."""

    stored: Any
    """As safetensors reads it."""
    about: dict[str, Any]
    """What it says about itself."""
    _said: str
    _digest: str

    def check(self, tensors: Mapping[str, np.ndarray]) -> None:
        """See that all of it is as it was written.

        Raises:
            FeatureError: where it is not: a changed bit of an array would go unnoticed otherwise.
        """
        if self._digest != _digest(self._said, tensors):
            raise FeatureError("its digest is that of other contents")


def to_bytes(form: Form, about: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> bytes:
    """A file of a form.

    Raises:
        FeatureError: where it would be larger than any of them.
    """
    from safetensors.numpy import save as serialize

    data = in_order(serialize(dict(tensors), form.said(json.dumps(about), tensors)))
    if len(data) > form.most_bytes:
        raise FeatureError(f"{form.what} would take {len(data)} bytes, above {form.most_bytes}")
    return data


@contextmanager
def opened(path: Path, form: Form) -> Iterator[Told]:
    """Open a file of a form, trusting nothing in it.

    Raises:
        FeatureError: naming the file, where it is missing, damaged, or of another form or version;
            so too where what is done with it raises a ClippingError or one of ``DAMAGE``.
    """
    from safetensors import SafetensorError, safe_open

    try:
        check_header(path, most_bytes=form.most_bytes)
        with safe_open(path, framework="numpy") as stored:
            metadata = stored.metadata() or {}
            if (metadata.get("format"), metadata.get("version")) != (form.name, str(form.version)):
                raise FeatureError("these are other tensors, or of another version")
            said = metadata["about"]
            yield Told(stored, json.loads(said), said, metadata["digest"])
    except FileNotFoundError as error:
        raise FeatureError(f"{path}: there is no such file") from error
    except (OSError, SafetensorError, AttributeError, *DAMAGE, ClippingError) as error:
        reason = f"{error!r}" if isinstance(error, KeyError) else str(error)
        raise FeatureError(
            f"{path}: not {form.what} of this version, or damaged: {reason}{form.mend}"
        ) from error


def _digest(about: str, tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.blake2b(about.encode(), digest_size=16)
    for key in sorted(tensors):
        digest.update(key.encode())
        digest.update(tensors[key].tobytes())
    return digest.hexdigest()


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
