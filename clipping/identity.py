"""The identity of a media file: a hash of its size and of samples of its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipping.errors import ClippingError
from clipping.storage import read_ranges, size_of, url_of


@dataclass(frozen=True)
class Source:
    """The file that features come from, and how to see that it is no longer the same."""

    file: str
    size_bytes: int
    fingerprint: str
    """Hash of the size and of blocks spread over the file; see :func:`identify`."""


def identify(path: Path) -> Source:
    """Who a file is: its size and a hash of 16 blocks of 64 KiB spread evenly over it.

    Not the time of its last change, so a copy is the same file; and more than its two ends, so
    that a download which fills in the middle later is another one.

    Raises:
        ClippingError: where it is no file, or cannot be read.
    """
    import hashlib

    block, blocks = 1 << 16, 16
    if (url := url_of(path)) is not None:
        size = size_of(url)
        digest = hashlib.blake2b(str(size).encode(), digest_size=16)
        begins = [max(0, size - block) * index // (blocks - 1) for index in range(blocks)]
        for piece in read_ranges(url, begins, min(block, size)):
            digest.update(piece)
        return Source(url, size, digest.hexdigest())
    if path.exists() and not path.is_file():
        raise ClippingError(f"{path}: is no file")  # a pipe would wait here for ever
    try:
        with open(path, "rb") as stream:
            size = stream.seek(0, 2)
            digest = hashlib.blake2b(str(size).encode(), digest_size=16)
            for index in range(blocks):
                stream.seek(max(0, size - block) * index // (blocks - 1))
                digest.update(stream.read(block))
    except OSError as error:
        raise ClippingError(f"{path}: cannot be read: {error.strerror or error}") from error
    return Source(str(path), size, digest.hexdigest())
