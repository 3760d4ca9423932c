"""Write files whole or not at all, and find the media files in folders."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clipping import storage
from clipping.errors import ClippingError

MEDIA_SUFFIXES = frozenset(
    ".3gp .asf .avi .flac .flv .m2ts .m4a .m4v .mka .mkv .mov .mp3 .mp4 .mpeg .mpg .mts .mxf .ogg "
    ".ogm .ogv .opus .rm .rmvb .ts .vob .wav .webm .wmv".split()
)
"""Suffixes of the files that are taken from a folder; a file named by itself may have any."""


@contextmanager
def atomic_path(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path next to ``path`` that replaces it if the block ends without an error.

    The suffix is kept, because writers may choose a format by it. On any error, Ctrl-C included,
    the temporary file is removed and an existing ``path`` stays as it was; after a kill -9 a file
    whose name starts with ``.tmp-`` is left. For a URL (:mod:`clipping.storage`) the temporary
    file is on this machine.

    Args:
        durable: wait until the disk has the bytes, so that ``path`` is whole after a power cut
            too. Without it the file may then be empty: for what is checked and can be made again.

    Raises:
        ClippingError: if the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    if (url := storage.url_of(path)) is not None:
        with storage.sent(url) as here:
            yield here
        return
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The name of the target is left out: it may already be as long as a file name can be.
        handle, name = tempfile.mkstemp(prefix=".tmp-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        if durable:
            # The data must be on the disk before the name is: after a power cut the file would
            # otherwise have its name and no content.
            with open(temporary, "rb") as stream:
                os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise ClippingError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text file (UTF-8, line ends kept) whole, or leave it as it was.

    ``durable`` is explained at :func:`atomic_path`.
    """
    with atomic_path(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows as JSON; the path ``-`` writes them to stdout.

    Raises:
        ClippingError: if the file cannot be written.
    """
    text = json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        write_text(path, text)


def require_writable(folder: Path) -> None:
    """Make a folder and check that it can be written, so that long work does not end in vain.

    Raises:
        ClippingError: if it cannot be written.
    """
    if (url := storage.url_of(folder)) is not None:
        storage.require_writable_url(url)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = error.strerror or error
        raise ClippingError(f"{folder}: cannot be written: {reason}") from error


def require_output(path: Path) -> None:
    """Check that a file can be written, and make its folder, before long work begins.

    Raises:
        ClippingError: if it cannot be written.
    """
    if path.is_dir():
        raise ClippingError(f"{path}: is a folder; name a file in it")
    require_writable(path.parent)


def require_replaceable(path: Path, *, overwrite: bool) -> None:
    """Check that a file does not exist yet, or may be replaced.

    Raises:
        ClippingError: if it exists and must not be replaced, or its folder cannot be read.
    """
    try:
        exists = path.exists()
    except PermissionError as error:
        raise ClippingError(f"{path}: cannot be written: {error.strerror}") from error
    if path.is_dir():
        raise ClippingError(f"{path}: is a folder; name a file in it")
    if exists and not overwrite:
        raise ClippingError(f"{path}: exists; --overwrite replaces it")


def find_media(paths: Iterable[Path | str]) -> dict[str, Path]:
    """Return the media files in files and folders, by a name that is unique among them.

    A folder is searched in depth for ``MEDIA_SUFFIXES``. Hidden files are left out. Links to
    nothing are kept, so that the later reader reports them. The name is the path below the folder
    without its suffix (``S1/01``), or with the suffix if two files would have the same name; a
    folder's files are in sorted order. A file named by itself may have any suffix. A file that is
    named twice counts once. URLs (``s3://…``, :mod:`clipping.storage`) may be files, folders, or
    patterns with ``*``.

    Raises:
        ClippingError: if a path does not exist or may not be read, or two files share a name.
    """
    found: dict[str, tuple[str, Path]] = {}
    for word in paths:
        local = storage.local(word)
        try:
            if (url := storage.url_of(word)) is not None:
                for name, path in storage.media_at(url, MEDIA_SUFFIXES):
                    found.setdefault(str(path), (name, path))
                continue
            for name, path in _media_at(local):
                found.setdefault(os.path.abspath(path), (name, path))
        except PermissionError as error:
            raise ClippingError(f"{local}: cannot be read: {error.strerror}") from error
    return _name(list(found.values()))


def _media_at(start: Path) -> Iterator[tuple[str, Path]]:
    """Yield a file itself, or the media files below a folder, each with a name."""
    if start.is_dir():
        os.scandir(start).close()  # raises for an unreadable folder, which rglob takes as empty
        inside = (path for path in start.rglob("*") if path.suffix.lower() in MEDIA_SUFFIXES)
        for path in sorted(inside):
            relative = path.relative_to(start)
            hidden = any(part.startswith(".") for part in relative.parts)
            dangling = path.is_symlink() and not path.exists()
            if (path.is_file() or dangling) and not hidden:
                yield relative.as_posix(), path
    elif start.exists():
        yield start.name, start
    else:
        raise ClippingError(f"{start}: there is no such file or folder")


def _name(found: Sequence[tuple[str, Path]]) -> dict[str, Path]:
    """Drop the suffixes of names that stay unique without them."""
    stems = [name[: len(name) - len(path.suffix)] if path.suffix else name for name, path in found]
    uses = Counter(stems)
    names: dict[str, Path] = {}
    for stem, (full, path) in zip(stems, found, strict=True):
        name = stem if uses[stem] == 1 else full
        if name in names:
            raise ClippingError(
                f"{path} and {names[name]} have the same name; give the folder above both instead"
            )
        names[name] = path
    return names


def _umask() -> int:
    """Return the process's umask, which mkstemp ignores; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
