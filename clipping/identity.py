"""The identity of a media file: a hash of its size and of samples of its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipping.errors import ClippingError
from clipping.storage import read_ranges, size_of, url_of


@dataclass(frozen=True)
class Source:
    """The media file of features or cached values, and a hash that shows if it has changed."""

    file: str
    """Path or URL."""
    size_bytes: int
    fingerprint: str
    """Hash of the size and of blocks spread over the file; see :func:`identify`."""


def identify(path: Path) -> Source:
    """Return a file's size and a hash of 16 blocks of 64 KiB spread evenly over it.

    The time of its last change does not count, so a copy has the same identity. The blocks are not
    only at the two ends, because some downloads fill in the middle later. Reading all of a film
    would take seconds, reading 1 MiB of it takes milliseconds.

    Raises:
        ClippingError: if it is no file, or cannot be read.
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
        raise ClippingError(f"{path}: is no file")  # opening a pipe would never return
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
