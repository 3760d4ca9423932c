"""Files: write them whole or not at all, and find the media in a folder."""

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
"""What a folder is searched for; a file named on the command line may have any suffix."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that becomes it when the block ends without an error.

    The suffix is kept, so that writers which look at it work. On any error, Ctrl-C included, the
    temporary file is removed and an existing ``path`` stays as it was; after a kill -9 the
    leftover has a name starting with ``.tmp-``. For a place in storage (:mod:`clipping.storage`)
    the temporary file is a local one.

    Raises:
        ClippingError: where the folder cannot be made or written, or the disk is full.
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
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise ClippingError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file (UTF-8, newlines kept as they are) or leave it as it was."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows as JSON; ``-`` writes them to stdout.

    Raises:
        ClippingError: where the file cannot be written.
    """
    text = json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        write_text(path, text)


def require_writable(folder: Path) -> None:
    """Make a folder and see that it can be written: before long work, not after it.

    Raises:
        ClippingError: where it cannot be.
    """
    if (url := storage.url_of(folder)) is not None:
        storage.require_writable(url)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = error.strerror or error
        raise ClippingError(f"{folder}: cannot be written: {reason}") from error


def require_output(path: Path) -> None:
    """See that a file can be written, and make its folder: before long work, not after it.

    Raises:
        ClippingError: where it cannot be.
    """
    if path.is_dir():
        raise ClippingError(f"{path}: is a folder; name a file in it")
    require_writable(path.parent)


def require_replaceable(path: Path, *, overwrite: bool) -> None:
    """See that no file stands where one is to be written, unless it may be replaced.

    Raises:
        ClippingError: where one does, or that cannot be seen.
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
    """The media files behind files and folders, by a name that is unique among them.

    A folder is searched in depth for ``MEDIA_SUFFIXES``; hidden files are left out, links to
    nothing are not: who reads them names them. The name is
    the path below that folder without its suffix (``S1/01``), with the suffix where two files
    would share it, in sorted order. A file given by name is taken whatever its suffix. One that
    is given twice counts once. URLs of storage (``s3://…``, :mod:`clipping.storage`) may be files,
    folders, or patterns with ``*``.

    Raises:
        ClippingError: where a path does not exist, or may not be looked at.
    """
    found: dict[str, tuple[str, Path]] = {}
    for word in paths:
        given = storage.local(word)
        try:
            if (url := storage.url_of(word)) is not None:
                for name, path in storage.media_at(url, MEDIA_SUFFIXES):
                    found.setdefault(str(path), (name, path))
                continue
            for name, path in _media_at(given):
                found.setdefault(os.path.abspath(path), (name, path))
        except PermissionError as error:
            raise ClippingError(f"{given}: cannot be read: {error.strerror}") from error
    return _name(list(found.values()))


def _media_at(given: Path) -> Iterator[tuple[str, Path]]:
    """The file itself, or the media below a folder, each with a name."""
    if given.is_dir():
        os.scandir(given).close()  # rglob alone would take a folder that is closed for empty
        inside = (path for path in given.rglob("*") if path.suffix.lower() in MEDIA_SUFFIXES)
        for path in sorted(inside):
            relative = path.relative_to(given)
            hidden = any(part.startswith(".") for part in relative.parts)
            dangling = path.is_symlink() and not path.exists()
            if (path.is_file() or dangling) and not hidden:
                yield relative.as_posix(), path
    elif given.exists():
        yield given.name, given
    else:
        raise ClippingError(f"{given}: there is no such file or folder")


def _name(found: Sequence[tuple[str, Path]]) -> dict[str, Path]:
    """Drop the suffixes of the names where that leaves them apart."""
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
    """The process's umask: mkstemp ignores it, our files should not."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
