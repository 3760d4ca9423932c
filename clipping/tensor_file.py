"""Read untrusted safetensors files with bounded memory; write equal bytes for equal arrays."""

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
"""Exceptions that JSON and arrays of any content may raise (huge numbers, endless nesting)."""


@dataclass(frozen=True)
class Form:
    """One kind of file: its name, version, and the words for its errors."""

    name: str
    version: int
    """Raised when the layout or the meaning of the numbers changes."""
    most_bytes: int
    """Bytes of the largest file that is read or written."""
    what: str
    """Its name in error messages, such as ``"a theme"``."""
    mend: str = ""
    """Advice for a damaged file, appended to the error message."""

    def metadata(self, about: str, tensors: Mapping[str, np.ndarray]) -> dict[str, str]:
        """Return the metadata of a file: format, version, description (JSON) and digest."""
        version = str(self.version)
        digest = _digest(about, tensors)
        return {"format": self.name, "version": version, "about": about, "digest": digest}


@dataclass(frozen=True)
class TensorFile:
    """An open file of a form."""

    stored: Any
    """The handle of ``safetensors.safe_open``."""
    about: dict[str, Any]
    """The file's description of its contents."""
    _about_text: str
    _digest: str

    def check(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Check that description and tensors are as they were written.

        Raises:
            FeatureError: if a bit has changed, which safetensors itself does not notice.
        """
        if self._digest != _digest(self._about_text, tensors):
            raise FeatureError("its digest is that of other contents")


def to_bytes(form: Form, about: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> bytes:
    """Return the bytes of a file of a form.

    Raises:
        FeatureError: if they are more than the form allows.
    """
    from safetensors.numpy import save as serialize

    data = in_order(serialize(dict(tensors), form.metadata(json.dumps(about), tensors)))
    if len(data) > form.most_bytes:
        raise FeatureError(f"{form.what} would take {len(data)} bytes, above {form.most_bytes}")
    return data


@contextmanager
def open_tensor_file(path: Path, form: Form) -> Iterator[TensorFile]:
    """Open a file of a form without trusting its contents.

    Raises:
        FeatureError: naming the file, if it is missing, damaged, or of another form or version;
            also if the block raises a ClippingError or one of ``DAMAGE``.
    """
    from safetensors import SafetensorError, safe_open

    try:
        check_header(path, most_bytes=form.most_bytes)
        with safe_open(path, framework="numpy") as stored:
            metadata = stored.metadata() or {}
            if (metadata.get("format"), metadata.get("version")) != (form.name, str(form.version)):
                raise FeatureError("these are other tensors, or of another version")
            about = metadata["about"]
            yield TensorFile(stored, json.loads(about), about, metadata["digest"])
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
    """Return a safetensors file with its metadata sorted.

    The library writes the metadata in an order that differs from process to process. Sorted, equal
    arrays give equal bytes, so that the files of two runs can be compared.
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
        most_bytes: largest size of the whole file; None: no limit.

    Raises:
        FeatureError: if the header or the file is too large.
        OSError: if it cannot be read.
    """
    with open(path, "rb") as stream:
        # The format begins with the length of its JSON header, 8 bytes, little-endian.
        size = int.from_bytes(stream.read(8), "little")
        total = stream.seek(0, 2)
    if size > _MAX_HEADER_BYTES:
        raise FeatureError(f"its header claims {size} bytes")
    if most_bytes is not None and total > most_bytes:
        raise FeatureError(f"it has {total} bytes, above {most_bytes}")
