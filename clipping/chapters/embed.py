"""Put chapters into an MKV or MP4 file; everything else is copied, or the file is not changed."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer

from clipping.chapters.check import Census, difference, is_cover, take_census
from clipping.errors import ClippingError, MediaError
from clipping.extra import extra_module
from clipping.files import atomic_path
from clipping.formats import ffmetadata
from clipping.formats.chapters import Chapter
from clipping.media.container import open_media, origin, packets
from clipping.media.probe import MediaInfo, probe

_NANOSECOND = Fraction(1, 10**9)
_ROUNDING = 0.0015
"""Seconds that a chapter may move by when it is written: MP4 stores milliseconds."""
_TAIL_LINES = 3
"""Last lines of FFmpeg's messages that an error shows."""


def embed(path: Path, chapters: Sequence[Chapter], output: Path | None = None) -> None:
    """Write a file again with these chapters in place of its own, without encoding.

    The new file is read back: all packets and their times, tags, flags of streams, attachments,
    covers and the chapters must be there. Only then does it replace ``path`` (or become
    ``output``). The permissions are kept.

    Two writers are tried: PyAV, then the ffmpeg program, which can copy some streams that PyAV
    cannot.

    Raises:
        MediaError: if the container cannot hold chapters, or something would be lost.
        ClippingError: if the folder cannot be written.
    """
    path = path.resolve()  # of a link, replace the file that it points to
    target = path if output is None else output
    container = probe(path).container
    kind = _container_of(container, target)
    before, mode = take_census(path), path.stat().st_mode & 0o7777
    writers: list[tuple[str, Callable[[Path], None]]] = [
        ("PyAV", lambda made: _remux(path, made, kind, chapters, before)),
        ("ffmpeg", lambda made: _ffmpeg(path, made, kind, chapters, before)),
    ]
    failures: list[str] = []
    with atomic_path(target) as made:
        for name, write in writers:
            try:
                write(made)
                failure = difference(before, take_census(made)) or chapter_difference(
                    chapters_in(probe(made)), chapters
                )
            except (av.error.FFmpegError, ValueError, NotImplementedError, ClippingError) as error:
                failure = str(error)
            if failure is None:
                break
            failures.append(f"{name}: {failure}")
        else:
            raise MediaError(
                f"{path}: chapters cannot be put in without a loss; it stays as it was "
                f"({'; '.join(failures)})"
            )
    if output is None:
        path.chmod(mode)


def _container_of(container: str, target: Path) -> str:
    """FFmpeg's name of the output format for ``target``.

    Raises:
        MediaError: if the source's container cannot hold chapters.
    """
    suffix = target.suffix.lower()
    if "matroska" in container:
        return "webm" if suffix == ".webm" else "matroska"
    if "mp4" in container:
        return {".mov": "mov", ".m4a": "ipod"}.get(suffix, "mp4")
    raise MediaError(
        f"{target}: only Matroska and MP4 files can hold chapters, this is {container}; "
        "write them next to it (--write), or convert it first"
    )


def _options(path: Path, kind: str) -> dict[str, str]:
    """The writer's options: an MP4 keeps its index before its content (for streaming)."""
    return {} if kind in ("matroska", "webm") or not _is_index_first(path) else _FASTSTART


_FASTSTART = {"movflags": "faststart"}


def _is_index_first(path: Path) -> bool:
    """True if an MP4's index (box moov) comes before its content (mdat)."""
    with open(path, "rb") as stream:
        # A box: 32-bit size, type, content; size 1: a 64-bit size follows (ISO/IEC 14496-12, 4.2).
        for _ in range(64):
            head = stream.read(16)
            if len(head) < 8 or head[4:8] in (b"moov", b"mdat"):
                return head[4:8] == b"moov"
            size = int.from_bytes(head[:4], "big")
            if size == 1:
                size = int.from_bytes(head[8:16], "big")
            if size < 8:
                return False
            stream.seek(size - len(head), 1)
    return False


def _remux(
    source: Path, made: Path, kind: str, chapters: Sequence[Chapter], census: Census
) -> None:
    """Copy all streams to ``made`` with PyAV, with the new chapters."""
    covers = _covers(source, census) if kind in ("matroska", "webm") else {}
    with (
        open_media(source) as original,
        av.open(f"file:{made}", "w", format=kind, options=_options(source, kind)) as result,
    ):
        result.metadata.update(original.metadata)
        _set_chapters(original, result, chapters)
        streams = {}
        for index in census.carried:
            stream = original.streams[index]
            if index in covers:
                tags = stream.metadata
                name = tags.get("filename", "cover")
                result.add_attachment(name, tags.get("mimetype", "image/jpeg"), covers[index])
                continue
            out = result.add_stream_from_template(stream, opaque=True)
            out.metadata.update(_named(stream))
            out.disposition = stream.disposition
            if stream.type != "attachment":
                streams[index] = out
        for packet in packets(original):
            if packet.stream_index in streams:
                packet.stream = streams[packet.stream_index]
                result.mux(packet)


def _named(stream: av.stream.Stream) -> dict[str, str]:
    """A stream's tags for the writer: FFmpeg reads an MP4 track's title as ``name`` but writes it
    from ``title``."""
    tags = dict(stream.metadata)
    return {"title": tags["name"], **tags} if "name" in tags else tags


def _covers(source: Path, census: Census) -> dict[int, bytes]:
    """The cover pictures by stream index: Matroska stores them as attachments, not streams."""
    found: dict[int, bytes] = {}
    with open_media(source) as original:
        wanted = {i for i in census.carried if is_cover(original.streams[i])}
        for packet in packets(original):
            if not wanted - found.keys():
                break
            if packet.stream_index in wanted:
                found.setdefault(packet.stream_index, bytes(packet))
    return found


def _set_chapters(
    original: InputContainer, result: OutputContainer, chapters: Sequence[Chapter]
) -> None:
    """Set the result's chapters: from media time to the file's own timestamps."""
    zero = origin(original)
    result.set_chapters(
        [
            {
                "id": number,
                "start": round((Fraction(chapter.start) + zero) / _NANOSECOND),
                "end": round((Fraction(chapter.end or chapter.start) + zero) / _NANOSECOND),
                "time_base": _NANOSECOND,
                "metadata": {"title": chapter.title},
            }
            for number, chapter in enumerate(chapters, start=1)
        ]
    )


def _ffmpeg(
    source: Path, made: Path, kind: str, chapters: Sequence[Chapter], census: Census
) -> None:
    """Do the same with the ffmpeg program, which can copy some streams that PyAV cannot."""
    program = extra_module("imageio_ffmpeg").get_ffmpeg_exe()
    with tempfile.TemporaryDirectory() as folder:
        chapter_file = Path(folder) / "chapters.txt"
        with open_media(source) as original:
            zero = float(origin(original))
            tags = [_named(original.streams[index]) for index in census.carried]
        moved = [Chapter(c.start + zero, (c.end or c.start) + zero, c.title) for c in chapters]
        chapter_file.write_text(ffmetadata.to_text(moved), encoding="utf-8", newline="")
        command = [program, "-nostdin", "-v", "error", "-y", "-i", f"file:{source}"]
        command += ["-f", "ffmetadata", "-i", f"file:{chapter_file}"]
        for place, index in enumerate(census.carried):
            command += ["-map", f"0:{index}"]
            if "name" in tags[place]:
                command += [f"-metadata:s:{place}", f"title={tags[place]['title']}"]
        command += ["-map_metadata", "0", "-map_chapters", "1", "-c", "copy", "-copyts"]
        for name, value in _options(source, kind).items():
            command += [f"-{name}", value]
        command += ["-f", kind, f"file:{made}"]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except OSError as error:
            raise ClippingError(f"{program}: cannot be run: {error.strerror}") from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ClippingError(" ".join(lines[-_TAIL_LINES:]) or f"exit code {done.returncode}")


def chapters_in(info: MediaInfo) -> list[Chapter]:
    """The chapters of a probed file."""
    return [Chapter(each.start, each.end, each.label) for each in info.chapters]


def chapter_difference(found: Sequence[Chapter], wanted: Sequence[Chapter]) -> str | None:
    """A sentence on the first difference between chapters found and wanted; None if equal."""
    if len(found) != len(wanted):
        return f"it has {len(found)} chapters, not {len(wanted)}"
    for one, other in zip(found, wanted, strict=True):
        moved = max(abs(one.start - other.start), abs((one.end or 0.0) - (other.end or 0.0)))
        if one.title != other.title or moved > _ROUNDING:
            return f"the chapter {other} became {one}"
    return None
