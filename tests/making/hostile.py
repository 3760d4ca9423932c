"""Files that promise more than any machine holds, written byte by byte where no muxer will."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import av
from making.media import make_media

TINY = {"duration": 1.2, "size": (80, 64), "rate": 10, "gop": 5, "bit_rate": 60_000}


def element(number: int, content: bytes | int | float | str) -> bytes:
    """An EBML element: Matroska is made of these."""
    if isinstance(content, int):
        content = content.to_bytes(8, "big", signed=content < 0)
    elif isinstance(content, float):
        content = struct.pack(">d", content)
    elif isinstance(content, str):
        content = content.encode()
    name = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return name + (len(content) | 1 << 56).to_bytes(8, "big") + content


def picture_track(
    number: int = 1, size: tuple[int, int] = (16, 16), shown: tuple[int, int] | None = None
) -> bytes:
    """A track of raw 8-bit pictures (YUV 4:2:0), to be shown at another size."""
    wide, high = shown or size
    shape = (
        element(0xB0, size[0])
        + element(0xBA, size[1])
        + element(0x54B0, wide)
        + element(0x54BA, high)
        + element(0x2EB524, b"I420")
    )
    return element(
        0xAE,
        element(0xD7, number)
        + element(0x73C5, number)
        + element(0x83, 1)
        + element(0x86, "V_UNCOMPRESSED")
        + element(0xE0, shape),
    )


def sound_track(number: int = 2, rate: float = 8000.0, channels: int = 1) -> bytes:
    """A track of 16-bit samples."""
    shape = element(0xB5, rate) + element(0x9F, channels) + element(0x6264, 16)
    return element(
        0xAE,
        element(0xD7, number)
        + element(0x73C5, number)
        + element(0x83, 2)
        + element(0x86, "A_PCM/INT/LIT")
        + element(0xE1, shape),
    )


def cluster(time: int, *blocks: tuple[int, int, bytes]) -> bytes:
    """Blocks of (track, offset to ``time`` in -32768..32767, content); ``time`` in ticks."""
    made = b"".join(
        element(0xA3, struct.pack(">BhB", 0x80 | track, offset, 0x80) + content)
        for track, offset, content in blocks
    )
    return element(0x1F43B675, element(0xE7, time) + made)


SMALLEST_TRACK = b"\xae\x8e\xd7\x81\x01\x83\x81\x01\x86\x86V_UNCO"
"""A track in 16 bytes, of a codec that there is not."""

PICTURE = bytes(range(256)) + bytes(128)
"""A picture of 16x16."""
SECOND = bytes(16000)
"""A second of sound at 8 kHz."""


def plain_clusters(seconds: int = 3) -> list[bytes]:
    """Seconds of one picture and of silence each, at 1000 ticks a second."""
    return [cluster(1000 * k, (1, 0, PICTURE), (2, 0, SECOND)) for k in range(seconds)]


def matroska(
    path: Path,
    *,
    tracks: Iterable[bytes] = (),
    clusters: Sequence[bytes] | None = None,
    duration: float | None = 3000.0,
    scale: int = 1_000_000,
    more: bytes = b"",
) -> Path:
    """A Matroska file; by default of 3 s, with a picture and a second of silence each second.

    Args:
        duration: in ticks, as the header says it.
        scale: nanoseconds in a tick.
        more: elements between tracks and clusters.
    """
    info = element(0x2AD7B1, scale) + element(0x4D80, "x") + element(0x5741, "x")
    if duration is not None:
        info += element(0x4489, duration)
    entries = b"".join(tracks) or picture_track() + sound_track()
    content = (
        element(0x1549A966, info)
        + element(0x1654AE6B, entries)
        + more
        + b"".join(plain_clusters() if clusters is None else clusters)
    )
    head = element(0x4282, "matroska") + element(0x4287, 4) + element(0x4285, 2)
    path.write_bytes(element(0x1A45DFA3, head) + element(0x18538067, content))
    return path


def tiny_packets(path: Path, count: int) -> Path:
    """A film of VP8 with so many pictures of one byte in its first second, and a whole one at 5 s.

    They are told apart by microseconds, and hidden from FFmpeg's own index: they are no key frames.
    """
    make_media(path, **TINY, video_codec="libvpx", audio_codec=None)
    with av.open(str(path)) as source:
        key = bytes(next(source.demux(video=0)))
    shape = element(0xB0, 80) + element(0xBA, 64)
    numbers = element(0xD7, 1) + element(0x73C5, 1) + element(0x83, 1)
    track = element(0xAE, numbers + element(0x86, "V_VP8") + element(0xE0, shape))
    clusters = [cluster(0, (1, 0, key))]
    for first in range(1, count, 30_000):
        offsets = range(min(30_000, count - first))
        blocks = b"".join(b"\xa3\x85" + struct.pack(">BhBB", 0x81, k, 0, 0) for k in offsets)
        clusters.append(element(0x1F43B675, element(0xE7, first) + blocks))
    clusters.append(cluster(5_000_000, (1, 0, key), (2, 0, SECOND)))
    return matroska(
        path, tracks=[track, sound_track()], clusters=clusters, scale=1000, duration=None
    )


def chapters(count: int) -> bytes:
    """A table of chapters whose numbers go down: FFmpeg looks through all of them for each."""
    atoms = (
        element(
            0xB6, element(0x73C4, count - k) + element(0x91, k * 1000) + element(0x92, k * 1000 + 1)
        )
        for k in range(count)
    )
    return element(0x1043A770, element(0x45B9, b"".join(atoms)))


def tags(count: int) -> bytes:
    """As many different tags of the file."""
    simple = (
        element(0x67C8, element(0x45A3, f"T{k}") + element(0x4487, "x" * 20)) for k in range(count)
    )
    return element(0x1254C367, element(0x7373, element(0x63C0, b"") + b"".join(simple)))


def attachments(count: int) -> bytes:
    """As many attached files."""
    files = (
        element(
            0x61A7,
            element(0x466E, f"{k}.ttf")
            + element(0x4660, "font/ttf")
            + element(0x465C, b"abc")
            + element(0x46AE, k + 1),
        )
        for k in range(count)
    )
    return element(0x1941A469, b"".join(files))


def mp4(path: Path, name: str, offset: int, *numbers: int, **given: Any) -> Path:
    """An mp4 file with numbers of 32 bits in a box overwritten, ``offset`` bytes after its name."""
    make_media(path, **{**TINY, **given})
    data = bytearray(path.read_bytes())
    content = b"".join(struct.pack(">I", number) for number in numbers)
    at = data.rindex(name.encode()) if given else data.index(name.encode())
    data[at + 4 + offset : at + 4 + offset + len(content)] = content
    path.write_bytes(data)
    return path


def jpeg_that_grows(path: Path, size: tuple[int, int], after: int) -> Path:
    """A film of JPEG pictures of which those from number ``after`` on say another size."""
    make_media(path, **TINY, video_codec="mjpeg", pixel_format="yuvj420p", audio_codec="pcm_s16le")
    data = bytearray(path.read_bytes())
    at, number = 0, 0
    while (at := data.find(b"\xff\xc0\x00\x11\x08", at) + 1) > 0:
        if number >= after:
            data[at + 4 : at + 8] = struct.pack(">HH", size[1], size[0])
        number += 1
    assert number > after
    path.write_bytes(data)
    return path


def vp8_that_grows(path: Path, size: tuple[int, int], after: int) -> Path:
    """The same with VP8, whose key frames say their size in 14 bits."""
    make_media(
        path, **{**TINY, "gop": 2}, video_codec="libvpx", audio_codec="libopus", audio_rate=48000
    )
    data = bytearray(path.read_bytes())
    at, number = 0, 0
    while (at := data.find(b"\x9d\x01\x2a", at) + 1) > 0:
        if number >= after:
            data[at + 2 : at + 6] = struct.pack("<HH", *size)
        number += 1
    assert number > after
    path.write_bytes(data)
    return path


def h264_that_grows(path: Path, size: tuple[int, int], after: int) -> Path:
    """The same with H.264 without a container: its parameter sets, repeated at each key frame."""
    make_media(
        path,
        **TINY,
        b_frames=0,
        audio_codec=None,
        format="h264",
        codec_options={"profile": "baseline"},
    )
    units = path.read_bytes().split(b"\x00\x00\x00\x01")
    number = 0
    for place, unit in enumerate(units):
        if unit[:1] == b"\x67":
            if number >= after:
                units[place] = _resized(unit, size)
            number += 1
    assert number > after
    path.write_bytes(b"\x00\x00\x00\x01".join(units))
    return path


def _resized(unit: bytes, size: tuple[int, int]) -> bytes:
    """A baseline sequence parameter set with another size in macroblocks of 16 pixels."""
    plain = unit[1:].replace(b"\x00\x00\x03", b"\x00\x00")
    bits = "".join(f"{byte:08b}" for byte in plain)
    assert bits[:8] == f"{66:08b}"
    at = 24
    numbers = []

    def next_number() -> int:
        nonlocal at
        zeros = bits.index("1", at) - at
        value = int(bits[at + zeros : at + 2 * zeros + 1], 2) - 1
        at += 2 * zeros + 1
        return value

    for _ in range(2):
        next_number()
    if next_number() == 0:  # how the order of pictures is told
        next_number()
    next_number()
    at += 1
    head = bits[:at]
    numbers = [next_number(), next_number()]
    assert numbers == [4, 3], numbers
    coded = "".join(_golomb(side // 16 - 1) for side in size)
    rest = head + coded + bits[at:]
    rest = rest.rstrip("0")
    rest += "0" * (-len(rest) % 8)
    made = bytes(int(rest[k : k + 8], 2) for k in range(0, len(rest), 8))
    out = bytearray()
    for byte in made:
        if out[-2:] == b"\x00\x00" and byte <= 3:
            out.append(3)
        out.append(byte)
    return unit[:1] + bytes(out)


def _golomb(value: int) -> str:
    text = f"{value + 1:b}"
    return "0" * (len(text) - 1) + text


def wave(path: Path, *, rate: int = 8000, channels: int = 1, claimed: int | None = None) -> Path:
    """A WAV file with a second of 8 kHz sound, whatever its header says of it."""
    block = channels * 2 & 0xFFFF
    layout = struct.pack("<HHIIHH", 1, channels, rate, rate * block & 0xFFFFFFFF, block, 16)
    data = bytes(range(256)) * 62
    size = len(data) if claimed is None else claimed
    path.write_bytes(
        b"RIFF"
        + struct.pack("<I", 0xFFFFFFFF)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + layout
        + b"data"
        + struct.pack("<I", size)
        + data
    )
    return path
