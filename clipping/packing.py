"""Compress arrays without loss: differences of neighbours, then zstd.

Neighbouring pixels, pictures and samples are similar, so their differences are small numbers that
a general compressor (zstd, RFC 8878) packs well; PNG filters its rows for the same reason
(W3C PNG, section 9).

Each ``pack_…`` makes one block of bytes (uint8, one-dimensional: a tensor of a safetensors file).
Each ``unpack_…`` fills an array that the caller made, so the caller bounds the memory: a block
that claims another size is refused before it is decompressed. :func:`split_blocks` and
:func:`join_blocks` keep a long array as blocks that can be read one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from clipping.errors import FeatureError

FRAMES_A_BLOCK = 100
"""Thumbnails of one block: few enough for the processor's cache, in which unpacking takes two
thirds of the time; two blocks make a window."""
_LEVEL = 1  # higher levels cost 1.5 to 10 times the time and save little: the rest is noise
_MOST_DIFFERENCES = 2
"""Highest order of differences of sound: 0 keeps samples, 1 steps, 2 changes of steps."""
_MOST_SCRATCH = 1 << 23
_of_thread = threading.local()
_BOX = np.dtype("<u2")  # top, bottom, left, right of the part that is not black


def pack_frames(frames: np.ndarray) -> np.ndarray:
    """Pack RGB pictures, uint8 (n, 3, height, width), into bytes.

    Rows and columns at the border that are black in all pictures (letterboxes) are left out. The
    rest is kept as differences modulo 256: red and blue minus green, each pixel minus the one above
    and the one to the left, and, if that makes a picture smaller, minus the picture before.
    """
    top, bottom = _extent(frames.max((0, 1, 3), initial=0))
    left, right = _extent(frames.max((0, 1, 2), initial=0))
    rest = frames[:, :, top:bottom, left:right].copy()
    # Unsigned bytes wrap around, so every difference is exact and can be undone.
    rest[:, 0] -= rest[:, 1]
    rest[:, 2] -= rest[:, 1]
    rest[:, :, 1:] -= rest[:, :, :-1]
    rest[..., 1:] -= rest[..., :-1]
    # A still picture minus the one before is zeros; after a cut the difference is larger than
    # the picture. So each picture chooses, and a byte of ``still`` says how.
    to_previous = rest.copy()
    to_previous[1:] -= rest[:-1]
    still = _size(to_previous) < _size(rest)
    still[:1] = False
    rest[still] = to_previous[still]
    box = np.array([top, bottom, left, right], _BOX)
    # Ordered column by column, so that unpacking adds whole columns, not single bytes.
    packed = _compress(still.tobytes() + rest.transpose(1, 3, 0, 2).tobytes())
    return np.concatenate([box.view(np.uint8), packed])


def unpack_frames(packed: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out``, uint8 (n, 3, height, width), with the pictures of :func:`pack_frames`.

    Raises:
        FeatureError: if these bytes are not that many pictures of that size.
    """
    head = packed[:8].tobytes()
    if len(head) != 8:
        raise FeatureError("the packed frames are cut short")
    top, bottom, left, right = (int(edge) for edge in np.frombuffer(head, _BOX))
    if not (top <= bottom <= out.shape[2] and left <= right <= out.shape[3]):
        raise FeatureError(f"the packed frames lie outside of {out.shape[3]}x{out.shape[2]} pixels")
    inside = out[:, :, top:bottom, left:right]
    count, colors, height, width = inside.shape
    data = _decompress(packed[8:], count + inside.size)
    still, rest = data[:count], data[count:].reshape(colors, width, count, height)
    if still.size and (still[0] or still.max() > 1):
        raise FeatureError("the packed frames do not say which of them repeat")
    for border in (out[:, :, :top], out[:, :, bottom:], out[..., :left], out[..., right:]):
        border[...] = 0
    # The steps of pack_frames, undone in reverse order: left, above, previous picture, colours.
    columns = _scratch(rest.size).reshape(rest.shape)
    columns[:, :1] = rest[:, :1]
    for x in range(1, width):
        np.add(columns[:, x - 1], rest[:, x], out=columns[:, x])
    inside[...] = columns.transpose(2, 0, 3, 1)
    for y in range(1, height):
        inside[:, :, y] += inside[:, :, y - 1]
    for index in np.flatnonzero(still):
        inside[index] += inside[index - 1]
    inside[:, 0] += inside[:, 1]
    inside[:, 2] += inside[:, 1]


def pack_samples(samples: np.ndarray) -> np.ndarray:
    """Pack samples of sound, int16 (n,), into bytes.

    The samples are kept as differences modulo 65536, of the order (0 to 2) whose values are
    smallest; the high bytes, which are mostly 0, stand apart from the low ones. Fixed polynomial
    prediction of this kind is what FLAC uses (RFC 9639, section 4.3).
    """
    orders = [samples]
    for _ in range(_MOST_DIFFERENCES):
        orders.append(np.diff(orders[-1], prepend=np.int16(0)))
    sizes = [np.abs(values.astype(np.float32)).sum() for values in orders]
    order = int(np.argmin(sizes))
    values = orders[order]
    folded = (values << 1) ^ (values >> 15)  # zigzag: 0, -1, 1, -2 … → 0, 1, 2, 3 …
    return _compress(bytes([order]) + _planes(folded.astype("<i2")))


def unpack_samples(packed: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out``, int16 (n,), with the samples of :func:`pack_samples`.

    Raises:
        FeatureError: if these bytes are not that many samples.
    """
    data = _decompress(packed, 1 + out.nbytes)
    if data[0] > _MOST_DIFFERENCES:
        raise FeatureError(f"the packed sound claims differences of order {data[0]}")
    low, high = data[1:].reshape(2, -1).astype(np.uint16)
    folded = low | high << np.uint16(8)
    out[...] = ((folded >> 1) ^ -(folded & 1)).view(np.int16)
    for _ in range(data[0]):
        np.cumsum(out, out=out)


def pack_floats(values: np.ndarray) -> np.ndarray:
    """Pack float32 of any shape into bytes, all exponents together: the last digits are noise."""
    return _compress(_planes(values.astype("<f4")))


def unpack_floats(packed: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out``, contiguous float32, with exactly the values of :func:`pack_floats`.

    Raises:
        FeatureError: if these bytes are not that many values.
    """
    planes = _decompress(packed, out.nbytes).reshape(4, -1)
    values = np.empty((planes.shape[1], 4), np.uint8)
    for place, plane in enumerate(planes):
        values[:, place] = plane
    out[...] = values.view("<f4").reshape(out.shape)


def pack_masks(masks: np.ndarray) -> np.ndarray:
    """Pack bool of any shape into bytes, eight values in one before zstd."""
    return _compress(np.packbits(masks).tobytes())


def unpack_masks(packed: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out``, bool, with the masks of :func:`pack_masks`.

    Raises:
        FeatureError: if these bytes are not that many values.
    """
    bits = _decompress(packed, -(-out.size // 8))
    out[...] = np.unpackbits(bits, count=out.size).view(bool).reshape(out.shape)


Pack = Callable[[np.ndarray], np.ndarray]
Unpack = Callable[[np.ndarray, np.ndarray], None]


def split_blocks(name: str, array: np.ndarray, pack: Pack, step: int) -> dict[str, np.ndarray]:
    """Pack an array as blocks of ``step`` along its first axis: ``{"NAME.0": …, "NAME.1": …}``."""
    firsts = range(0, len(array), step)
    return {f"{name}.{first // step}": pack(array[first : first + step]) for first in firsts}


def join_blocks(
    name: str,
    read: Callable[[str], np.ndarray],
    out: np.ndarray,
    unpack: Unpack,
    step: int,
    *,
    total: int,
    first: int = 0,
) -> None:
    """Fill ``out`` with the rows from ``first`` on of an array packed by :func:`split_blocks`.

    Args:
        read: returns a block by its name (``get_tensor`` of an open safetensors file); called only
            for the blocks that are needed.
        total: number of rows of the whole array, ``first + len(out)`` or more.

    Raises:
        FeatureError: if a block is not what :func:`split_blocks` makes of such an array.
    """
    until = first + len(out)
    if not 0 <= first <= until <= total:
        raise FeatureError(f"{name}: {first} to {until} is not within 0 to {total}")
    for start in range(first - first % step, until, step):
        end = min(start + step, total)
        packed = read(f"{name}.{start // step}")
        if first <= start and end <= until:
            unpack(packed, out[start - first : end - first])
            continue
        whole = np.empty((end - start, *out.shape[1:]), out.dtype)
        unpack(packed, whole)
        begin, stop = max(first, start), min(until, end)
        out[begin - first : stop - first] = whole[begin - start : stop - start]


def _scratch(size: int) -> np.ndarray:
    """Return a buffer that each thread uses again: new memory pages cost more than the sums."""
    if size > _MOST_SCRATCH:
        return np.empty(size, np.uint8)
    if getattr(_of_thread, "scratch", None) is None or len(_of_thread.scratch) < size:
        _of_thread.scratch = np.empty(size, np.uint8)
    scratch: np.ndarray = _of_thread.scratch[:size]
    return scratch


def _extent(values: np.ndarray) -> tuple[int, int]:
    """Return the half-open span from the first to the last value that is not 0; (0, 0) if none."""
    places = np.flatnonzero(values)
    return (int(places[0]), int(places[-1]) + 1) if places.size else (0, 0)


def _size(rest: np.ndarray) -> np.ndarray:
    """Return the sum of absolute differences of each picture; a byte of 255 stands for -1."""
    return np.minimum(rest, -rest).sum((1, 2, 3), dtype=np.uint64)


def _planes(values: np.ndarray) -> bytes:
    """Return all first bytes of the values, then all second ones, and so on."""
    return values.reshape(-1, 1).view(np.uint8).T.tobytes()


def _compress(data: bytes) -> np.ndarray:
    import zstandard

    packed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(data)
    return np.frombuffer(packed, np.uint8)


def _decompress(packed: np.ndarray, size: int) -> np.ndarray:
    """Decompress one zstd frame, whose header must name exactly ``size`` bytes."""
    import zstandard

    if packed.dtype != np.uint8 or packed.ndim != 1:
        raise FeatureError(f"packed values are bytes, got {packed.dtype} {packed.shape}")
    block = np.ascontiguousarray(packed).data
    try:
        claimed = zstandard.get_frame_parameters(block).content_size
        if claimed != size:
            raise FeatureError(f"the packed values claim to be {claimed} bytes, not {size}")
        data = zstandard.ZstdDecompressor().decompress(
            block, max_output_size=size, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise FeatureError(f"the packed values are damaged: {error}") from error
    if len(data) != size:
        raise FeatureError(f"the packed values are {len(data)} bytes, not {size}")
    return np.frombuffer(data, np.uint8)


def packed(file: Any, key: str, most: int) -> np.ndarray:
    """Read a packed tensor of a safetensors file, if its size is possible.

    Args:
        most: bytes of its values unpacked. zstd adds next to nothing to bytes that it cannot
            compress, so a much larger tensor is refused before it is read.

    Raises:
        FeatureError: if it is of another type, or too large.
    """
    found = file.get_slice(key)
    shape, kind = found.get_shape(), found.get_dtype()
    if kind != "U8" or len(shape) != 1 or shape[0] > most + most // 64 + 1024:
        raise FeatureError(f"{key} must be U8, of {most} bytes unpacked, got {kind} {shape}")
    array: np.ndarray = file.get_tensor(key)
    return array
