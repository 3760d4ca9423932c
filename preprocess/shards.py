"""Pack feature files into tar archives (shards), which storage reads from one end to the other.

Many small files are slow to read from a disk or from storage; a few large ones read in order are
fast. The layout is that of WebDataset: the files of a window follow each other and share a name,
``NAME_start.safetensors`` and, if it has a label, ``NAME_start.seconds`` with the boundary as text.
A hash of its name decides a window's shard, so that each shard is a random sample of all windows,
and packing the same features again gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from clipping.errors import ClippingError, ConfigError, FeatureError
from clipping.files import atomic_path, require_writable, write_text
from clipping.storage import Ranges, as_written, fetched, files_below, local, url_of
from clipping.windows import WindowId, read_labels

INDEX = "shards.json"
"""The names of all shards and how many windows each holds; written last."""
FEATURES, SECONDS = ".safetensors", ".seconds"
_MAX_MEMBER_BYTES = 1 << 29


@dataclass(frozen=True)
class ShardsConfig:
    """Pack feature files into tar shards, from which training streams."""

    inputs: tuple[str, ...] = field(metadata={"help": "folders of feature files; URLs too"})
    output: Path
    """The folder for the shards; it may be the URL of storage."""
    labels: Path | None = None
    """Rows NAME_start SECONDS; only windows with a label are packed. Absent: all windows."""
    shard_mb: float = 256
    """Millions of bytes after which a shard is full."""

    def __post_init__(self) -> None:
        if len(self.inputs) != 1:
            raise ConfigError("give one folder of feature files")
        if not 0.001 <= self.shard_mb <= 100_000:
            raise ConfigError(f"--shard-mb must be 0.001 to 100000, got {self.shard_mb}")


@dataclass(frozen=True)
class Shard:
    """One shard of a folder, and the number of its windows."""

    name: str
    windows: int


@dataclass(frozen=True)
class Packed:
    """One window of a shard, with its feature file as bytes."""

    name: str
    features: bytes
    seconds: float | None


def pack(config: ShardsConfig) -> list[Shard]:
    """Pack the feature files of a folder and return the shards.

    Raises:
        ClippingError: if there are no feature files, one cannot be read, or the output folder
            holds shards already or cannot be written.
    """
    labels = None if config.labels is None else read_labels(config.labels)
    output = local(config.output)
    require_writable(output)
    if _has_index(output):
        raise ClippingError(f"{as_written(output)}: holds shards already; give another folder")
    files = _files(local(config.inputs[0]), labels)
    if not files:
        raise ClippingError(f"{config.inputs[0]}: there are no feature files in it (with labels)")
    shards: list[Shard] = []
    waiting = iter(sorted(files, key=_hash))
    following = next(waiting, None)
    while following is not None:
        shard = output / f"shard-{len(shards):06}.tar"
        count, filled = 0, 0
        with atomic_path(shard) as temporary, tarfile.open(temporary, "w") as tar:
            while following is not None and filled < config.shard_mb * 10**6:
                filled += _add(tar, following, files[following], labels)
                count, following = count + 1, next(waiting, None)
        shards.append(Shard(shard.name, count))
    index = {"shards": [{"name": shard.name, "windows": shard.windows} for shard in shards]}
    write_text(output / INDEX, json.dumps(index, indent=1) + "\n")
    return shards


def read_index(folder: Path) -> list[Shard]:
    """Read the index of a folder: its shards.

    Raises:
        ClippingError: if it holds none, or its index is damaged.
    """
    path = folder / INDEX
    try:
        with fetched(path) as here:
            content = json.loads(here.read_text(encoding="utf-8"))
        shards = [Shard(str(s["name"]), int(s["windows"])) for s in content["shards"]]
    except FileNotFoundError as error:
        raise ClippingError(
            f"{as_written(path)}: there is no such file; make it: python -m preprocess.shards"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClippingError(f"{as_written(path)}: is no index of shards: {error!r}") from error
    if any(Path(shard.name).name != shard.name or shard.windows < 1 for shard in shards):
        raise ClippingError(f"{as_written(path)}: is no index of shards: a name or number is wrong")
    return shards


def read_shard(path: Path) -> Iterator[Packed]:
    """Yield the windows of a shard in order, read as a stream.

    Raises:
        FeatureError: if the shard is damaged or cut short, or holds any other file.
    """
    url = url_of(path)
    try:
        with (
            closing(open(path, "rb") if url is None else Ranges(url)) as stream,
            tarfile.open(fileobj=stream, mode="r|") as tar,
        ):
            yield from _windows(tar, path)
    except (OSError, tarfile.TarError, ValueError) as error:
        raise FeatureError(f"{as_written(path)}: is no shard, or is damaged: {error}") from error


def _windows(tar: tarfile.TarFile, path: Path) -> Iterator[Packed]:
    features: tuple[str, bytes] | None = None
    for member in tar:
        if not member.isreg() or member.size > _MAX_MEMBER_BYTES:
            raise FeatureError(f"{as_written(path)}: {member.name}: is no file of a shard")
        taken = tar.extractfile(member)
        data = b"" if taken is None else taken.read()
        if len(data) != member.size:
            raise FeatureError(f"{as_written(path)}: {member.name}: is cut short")
        if member.name.endswith(FEATURES):
            if features is not None:
                yield Packed(*features, None)
            features = member.name.removesuffix(FEATURES), data
        elif features is not None and member.name == features[0] + SECONDS:
            yield Packed(*features, float(data))
            features = None
        else:
            raise FeatureError(f"{as_written(path)}: {member.name}: is no file of a shard")
    if features is not None:
        yield Packed(*features, None)


def _add(
    tar: tarfile.TarFile, name: str, file: Path, labels: Mapping[WindowId, float] | None
) -> int:
    """Append a window to a shard; return the number of bytes of its features."""
    try:
        with fetched(file) as here:
            data = here.read_bytes()
    except OSError as error:
        raise ClippingError(f"{file}: cannot be read: {error.strerror or error}") from error
    members = [(FEATURES, data)]
    if labels is not None:
        members.append((SECONDS, f"{labels[WindowId.parse(name)]!r}\n".encode()))
    for suffix, content in members:
        about = tarfile.TarInfo(name + suffix)
        about.size = len(content)
        tar.addfile(about, io.BytesIO(content))
    return len(data)


def _files(folder: Path, labels: Mapping[WindowId, float] | None) -> dict[str, Path]:
    """Return the feature files below a folder, by the names of their windows."""
    url = url_of(folder)
    paths = folder.rglob(f"*{FEATURES}") if url is None else map(Path, files_below(url))
    found = {}
    for path in paths:
        name = path.relative_to(folder).as_posix().removesuffix(FEATURES)
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if path.suffix != FEATURES or hidden:
            continue
        try:
            wanted = labels is None or WindowId.parse(name) in labels
        except ValueError:
            continue  # not the name of a window, so it has no label
        if wanted:
            found[name] = path
    return found


def _has_index(folder: Path) -> bool:
    url = url_of(folder)
    path = folder / INDEX
    return path.exists() if url is None else as_written(path) in files_below(url)


def _hash(name: str) -> bytes:
    return hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest()


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m preprocess.shards FEATURES -o SHARDS``"""
    from clipping.config import parse, run

    prog = "python -m preprocess.shards"
    config = parse(ShardsConfig, argv, prog=prog, positional="inputs")
    return run(lambda: _command(config), prog)


def _command(config: ShardsConfig) -> int:
    shards = pack(config)
    windows = sum(shard.windows for shard in shards)
    print(f"{windows} windows in {len(shards)} shards: {as_written(local(config.output))}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
