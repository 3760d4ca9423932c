"""Files in storage that is no disk of this machine: s3://…, gs://…, https://…, through fsspec.

A place in storage travels as a Path whose first part is the protocol (``Path("s3://b/k")`` is
``s3:/b/k``), so that whatever takes a path takes it too; :func:`url_of` gives the URL back.
Credentials are the storage's own business: environment variables or fsspec's configuration.
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

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

BLOCK_BYTES = 4 << 20
"""Media files are read in ranges of this many bytes."""
_MAX_BLOCKS = 8
"""Ranges of one open file that are kept in memory, to go back and forth between streams."""

# Two letters at least: C: is a drive.
_PROTOCOL = re.compile(r"([a-z][a-z0-9+.-]+):/+")
_LOCAL = frozenset(("file", "local"))
_WHOLE_PUT = frozenset("abfs abfss az gcs gs s3 s3a".split())
"""Storage in which an object appears when it is complete, and which cannot rename."""


def url_of(path: Path | str) -> str | None:
    """The URL behind a path; None for one of this machine, as ``file:///…`` is."""
    text = str(path)
    found = _PROTOCOL.match(text)
    if found is None or found[1] in _LOCAL:
        return None
    # A folder may be called "s3:"; what lies in it was not meant as a URL.
    if "://" not in text and os.path.lexists(f"{found[1]}:"):
        return None
    return f"{found[1]}://{text[found.end() :]}"


def local(path: Path | str) -> Path:
    """The path without ``file://``; any other as it is."""
    text = str(path)
    found = _PROTOCOL.match(text)
    if found is None or found[1] not in _LOCAL or os.path.lexists(f"{found[1]}:"):
        return Path(path)
    return Path("/" + text[found.end() :])


def shown(path: Path | str) -> str:
    """A path or URL as its user wrote it."""
    return url_of(path) or str(path)


def media_at(url: str, suffixes: Collection[str]) -> Iterator[tuple[str, Path]]:
    """The files behind a URL, each with its name below it.

    A file is taken whatever its suffix; of a folder in depth, or behind ``*``, ``?`` and ``[…]``,
    those with one of the ``suffixes`` that are not hidden, in sorted order.

    Raises:
        ClippingError: where there is nothing, or the storage does not answer.
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
    """Bytes of the files behind a URL by theirs, where a listing tells: no file is asked."""
    system, _, files = _listed(url)
    return {
        shown(_path(system, file)): int(about.get("size") or 0) for file, about in files.items()
    }


def files_below(url: str) -> set[str]:
    """The URLs of all files below a folder; none where there is no such folder."""
    system, place = _system(url)
    with _told(url):
        return {shown(_path(system, file)) for file in system.find(place)}


def size_of(url: str) -> int:
    """Bytes of a file.

    Raises:
        ClippingError: where it is not there, its size is not told, or the storage is silent.
    """
    system, place = _system(url)
    with _told(url):
        size = system.size(place)
    if size is None:
        raise ClippingError(f"{url}: its server tells no size, so it cannot be read by ranges")
    return int(size)


def read_ranges(url: str, begins: Sequence[int], length: int) -> list[bytes]:
    """Several ranges of a file in one go, each of ``length`` bytes or up to the end of the file."""
    system, place = _system(url)
    with _told(url):
        ends = [begin + length for begin in begins]
        pieces = system.cat_ranges([place] * len(ends), list(begins), ends, on_error="raise")
        return [bytes(piece) for piece in pieces]


class Ranges(io.RawIOBase):
    """A file in storage, read by ranges as they are asked for; what decoders read from."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        if size_of(url) == 0:
            raise ClippingError(f"{url}: is empty (0 bytes)")
        system, place = _system(url)
        with _told(url):
            self._stream = system.open(
                place,
                "rb",
                block_size=BLOCK_BYTES,
                cache_type="blockcache",
                cache_options={"maxblocks": _MAX_BLOCKS},
            )

    def read(self, size: int = -1) -> bytes:
        """The next bytes; none at the end."""
        with _told(self._url):
            return bytes(self._stream.read(size))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place; the new place."""
        with _told(self._url):
            return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        """The place now."""
        return int(self._stream.tell())

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always: a server without ranges was refused."""
        return True

    def close(self) -> None:
        """Let go of what is kept in memory."""
        if not self.closed:
            self._stream.close()
        super().close()


@contextmanager
def fetched(path: Path) -> Iterator[Path]:
    """A small file at hand: the path itself, or a copy of it while the block lasts.

    Raises:
        ClippingError: where it is in storage and cannot be had.
    """
    url = url_of(path)
    if url is None:
        yield path
        return
    system, place = _system(url)
    with tempfile.TemporaryDirectory(prefix="clipping-") as folder:
        copy = Path(folder) / path.name
        with _told(url):
            system.get_file(place, str(copy))
        yield copy


@contextmanager
def sent(url: str) -> Iterator[Path]:
    """A temporary path of this machine whose file stands at the URL when the block ends well.

    It appears there whole or not at all: in object storage by one put, elsewhere under a
    temporary name that is then moved.

    Raises:
        ClippingError: where it cannot be written.
    """
    system, place = _system(url)
    with tempfile.TemporaryDirectory(prefix="clipping-") as folder:
        temporary = Path(folder) / place.rpartition("/")[2]
        temporary.touch()
        yield temporary
        with _told(url, "cannot be written"):
            _send(system, temporary, place, url)


def require_writable(url: str) -> None:
    """See that files can be written below a URL, by writing one and removing it."""
    system, place = _system(url)
    probe = f"{place.rstrip('/')}/.tmp-{uuid.uuid4().hex}"
    with _told(url, "cannot be written"):
        system.makedirs(place, exist_ok=True)
        system.pipe_file(probe, b"")
        system.rm_file(probe)


def _send(system: AbstractFileSystem, file: Path, place: str, url: str) -> None:
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
    """The storage, the folder (or file) that is meant, and what is said of each file, sorted."""
    system, place = _system(url)
    with _told(url):
        if not _is_plain(url):
            signs = [place.find(sign) for sign in _magic(url) if sign in place]
            base = place[: min(signs)].rpartition("/")[0]
            found = system.glob(place, detail=True)
        elif not url.endswith("/") and system.isfile(place):
            # Not by find(), which over the web would take the film for a page.
            return system, place, {place: system.info(place)}
        else:
            found, base = system.find(place, detail=True), place.rstrip("/")
    if not found:
        raise ClippingError(f"{url}: there is no such file or folder")
    return system, base, dict(sorted(found.items()))


def _is_plain(url: str) -> bool:
    """Whether a URL is no pattern."""
    return not any(sign in url for sign in _magic(url))


def _magic(url: str) -> str:
    return "*[" if url.startswith("http") else "*?["


def _path(system: AbstractFileSystem, place: str) -> Path:
    """The path that stands for a place, if one can."""
    url = system.unstrip_protocol(place)
    path = Path(url)
    back = url_of(path)
    # memory:///x is memory://x.
    if back is None or back.split("://")[1] != url.split("://")[1].lstrip("/"):
        raise ClippingError(f"{url}: names with empty parts, or . and .., cannot be used")
    return path


def _system(url: str) -> tuple[AbstractFileSystem, str]:
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
def _told(url: str, what: str = "cannot be read") -> Iterator[None]:
    """Turn what storage raises into one of our errors."""
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
    """What storage raises where a connection, a server or a disk fails."""
    aiohttp = sys.modules.get("aiohttp")
    return (OSError,) if aiohttp is None else (OSError, aiohttp.ClientError)
