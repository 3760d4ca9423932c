"""Files in remote storage: s3://…, gs://…, https://…, through fsspec.

A URL is passed around as a Path whose first part is the protocol (``Path("s3://b/k")`` is
``s3:/b/k``), so that every function that takes a path takes it too; :func:`url_of` returns the URL.
Credentials come from the storage's own environment variables or from fsspec's configuration.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipping.errors import ClippingError, StorageError
from clipping.extra import extra_imports

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

BLOCK_BYTES = 4 << 20
"""Bytes of the ranges in which media files are read."""
_MAX_BLOCKS = 8
"""Ranges of one open file that stay in memory: a decoder jumps between sound and picture."""

# At least two letters: C: is a drive of Windows.
_PROTOCOL = re.compile(r"([a-z][a-z0-9+.-]+):/+")
_LOCAL = frozenset(("file", "local"))
_WHOLE_PUT = frozenset("abfs abfss az gcs gs s3 s3a".split())
"""Protocols of object storage: an object appears when it is complete, and cannot be renamed."""


def url_of(path: Path | str) -> str | None:
    """Return the URL that a path stands for; None for a path of this machine (``file://…`` too)."""
    text = str(path)
    found = _PROTOCOL.match(text)
    if found is None or found[1] in _LOCAL:
        return None
    # A folder may be called "s3:"; a path into it is no URL.
    if "://" not in text and os.path.lexists(f"{found[1]}:"):
        return None
    return f"{found[1]}://{text[found.end() :]}"


def local(path: Path | str) -> Path:
    """Return a path without ``file://``; any other path or URL unchanged."""
    text = str(path)
    found = _PROTOCOL.match(text)
    if found is None or found[1] not in _LOCAL or os.path.lexists(f"{found[1]}:"):
        return Path(path)
    return Path("/" + text[found.end() :])


def as_written(path: Path | str) -> str:
    """Return a path or URL as text in the form in which its user wrote it."""
    return url_of(path) or str(path)


def media_at(url: str, suffixes: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Yield the files of a URL, each with its name below the URL.

    A file named by itself may have any suffix. From a folder, in depth, and from a pattern with
    ``*``, ``?`` or ``[…]``, come the files with one of the ``suffixes`` that are not hidden, in
    sorted order.

    Raises:
        ClippingError: if there is no such file, or the storage does not answer.
    """
    system, base, files = _listed(url)
    for file in files:
        name = file.removeprefix(base).lstrip("/")
        hidden = any(part.startswith(".") for part in name.split("/"))
        if not name:  # the file itself
            yield file.rpartition("/")[2], _path(system, file)
        elif Path(name).suffix.lower() in suffixes and not hidden:
            yield name, _path(system, file)


def sizes_at(url: str) -> dict[str, int]:
    """Return the bytes of each file of a URL, by the file's own URL, from one listing.

    A size that the listing does not tell is 0.
    """
    system, _, files = _listed(url)
    return {
        as_written(_path(system, file)): int(about.get("size") or 0)
        for file, about in files.items()
    }


def files_below(url: str) -> set[str]:
    """Return the URLs of all files below a folder; none if there is no such folder."""
    system, place = _system(url)
    with _storage_errors(url):
        return {as_written(_path(system, file)) for file in system.find(place)}


def size_of(url: str) -> int:
    """Return the size of a file in bytes.

    Raises:
        ClippingError: if it does not exist, its server tells no size, or does not answer.
    """
    system, place = _system(url)
    with _storage_errors(url):
        size = system.size(place)
    if size is None:
        raise ClippingError(f"{url}: its server tells no size, so it cannot be read by ranges")
    return int(size)


def read_ranges(url: str, begins: Sequence[int], length: int) -> list[bytes]:
    """Read several ranges of a file at once, each of ``length`` bytes or to the end of the file."""
    system, place = _system(url)
    with _storage_errors(url):
        ends = [begin + length for begin in begins]
        pieces = system.cat_ranges([place] * len(ends), list(begins), ends, on_error="raise")
        return [bytes(piece) for piece in pieces]


class Ranges(io.RawIOBase):
    """A remote file that decoders read; each range is fetched when it is needed."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        if size_of(url) == 0:
            raise ClippingError(f"{url}: is empty (0 bytes)")
        system, place = _system(url)
        with _storage_errors(url):
            self._stream = system.open(
                place,
                "rb",
                block_size=BLOCK_BYTES,
                cache_type="blockcache",
                cache_options={"maxblocks": _MAX_BLOCKS},
            )

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; none at the end."""
        with _storage_errors(self._url):
            return bytes(self._stream.read(size))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a byte and return its position."""
        with _storage_errors(self._url):
            return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        """Return the present position."""
        return int(self._stream.tell())

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True: a server that cannot send ranges was refused."""
        return True

    def close(self) -> None:
        """Release the ranges that are kept in memory."""
        if not self.closed:
            self._stream.close()
        super().close()


@contextmanager
def fetched(path: Path) -> Iterator[Path]:
    """Yield a path of this machine: the path itself, or a copy of a remote file.

    The copy is removed at the end of the block. Meant for small files.

    Raises:
        ClippingError: if a remote file cannot be fetched.
    """
    url = url_of(path)
    if url is None:
        yield path
        return
    system, place = _system(url)
    with tempfile.TemporaryDirectory(prefix="clipping-") as folder:
        copy = Path(folder) / path.name
        with _storage_errors(url):
            system.get_file(place, str(copy))
        yield copy


@contextmanager
def sent(url: str) -> Iterator[Path]:
    """Yield a temporary path of this machine; its file is sent to the URL at the end of the block.

    It appears there whole or not at all: in object storage by one put, elsewhere under a
    temporary name that is then changed. After an error nothing is sent.

    Raises:
        ClippingError: if it cannot be written.
    """
    system, place = _system(url)
    with tempfile.TemporaryDirectory(prefix="clipping-") as folder:
        temporary = Path(folder) / place.rpartition("/")[2]
        temporary.touch()
        yield temporary
        with _storage_errors(url, "cannot be written"):
            _send(system, temporary, place, url)


def require_writable_url(url: str) -> None:
    """Check that files can be written below a URL, by writing and removing an empty one."""
    system, place = _system(url)
    probe = f"{place.rstrip('/')}/.tmp-{uuid.uuid4().hex}"
    with _storage_errors(url, "cannot be written"):
        system.makedirs(place, exist_ok=True)
        system.pipe_file(probe, b"")
        system.rm_file(probe)


def _send(system: AbstractFileSystem, file: Path, place: str, url: str) -> None:
    """Copy a file of this machine to a place in storage, whole or not at all."""
    parent, _, _ = place.rpartition("/")
    if url.partition(":")[0] in _WHOLE_PUT:
        system.put_file(str(file), place)
        return
    system.makedirs(parent, exist_ok=True)
    temporary = f"{parent}/.tmp-{uuid.uuid4().hex}{file.suffix}"
    try:
        system.put_file(str(file), temporary)
        system.mv(temporary, place)
    except BaseException:
        with suppress(*_failures()):
            system.rm_file(temporary)
        raise


def _listed(url: str) -> tuple[AbstractFileSystem, str, dict[str, dict[str, Any]]]:
    """Return the storage, the folder (or file) of a URL, and details by path, sorted by path."""
    system, place = _system(url)
    with _storage_errors(url):
        if not _is_plain(url):
            signs = [place.find(sign) for sign in _magic(url) if sign in place]
            base = place[: min(signs)].rpartition("/")[0]
            found = system.glob(place, detail=True)
        elif not url.endswith("/") and system.isfile(place):
            # find() would download the film over https and search it for links.
            return system, place, {place: system.info(place)}
        else:
            found, base = system.find(place, detail=True), place.rstrip("/")
    if not found:
        raise ClippingError(f"{url}: there is no such file or folder")
    return system, base, dict(sorted(found.items()))


def _is_plain(url: str) -> bool:
    """Return whether a URL is no pattern."""
    return not any(sign in url for sign in _magic(url))


def _magic(url: str) -> str:
    """The characters that make a URL a pattern; in https ``?`` begins a query."""
    return "*[" if url.startswith("http") else "*?["


def _path(system: AbstractFileSystem, place: str) -> Path:
    """Return the Path that stands for a place in storage; not every place has one."""
    url = system.unstrip_protocol(place)
    path = Path(url)
    back = url_of(path)
    # memory:///x is memory://x.
    if back is None or back.split("://")[1] != url.split("://")[1].lstrip("/"):
        raise ClippingError(f"{url}: names with empty parts, or . and .., cannot be used")
    return path


def _system(url: str) -> tuple[AbstractFileSystem, str]:
    """Return fsspec's file system for a URL, and the place in it."""
    with extra_imports():
        from fsspec.core import url_to_fs

    if "::" in url:
        raise ClippingError(f"{url}: chained URLs (::) cannot be used")
    try:
        system, place = url_to_fs(url)
    except ImportError as error:
        raise ClippingError(f"{url}: {error}") from error
    except ValueError as error:
        raise ClippingError(f"{url}: cannot be used: {error}") from error
    return system, place


@contextmanager
def _storage_errors(url: str, what: str = "cannot be read") -> Iterator[None]:
    """Turn an error of the storage in the block into a ClippingError or StorageError."""
    try:
        yield
    except FileNotFoundError as error:
        raise ClippingError(f"{url}: there is no such file or folder") from error
    except (PermissionError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error or "its storage cannot do that"
        raise ClippingError(f"{url}: {what}: {reason}") from error
    except _failures() as error:
        raise StorageError(f"{url}: {what} now: {error or type(error).__name__}") from error


def _failures() -> tuple[type[BaseException], ...]:
    """Return the exceptions that stand for a failed connection, server or disk."""
    aiohttp = sys.modules.get("aiohttp")
    return (OSError,) if aiohttp is None else (OSError, aiohttp.ClientError)
