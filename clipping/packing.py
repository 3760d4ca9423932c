"""Features as few bytes, none of their values lost: zstd after what makes neighbours alike.

Each ``pack_…`` makes one block of bytes (uint8, one-dimensional: a tensor of a safetensors file),
each ``unpack_…`` fills an array that the caller made. So the caller bounds the memory: a block
that claims to hold more, or less, is refused before it is opened. :func:`split` and :func:`join`
keep long arrays as blocks that can be read one by one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from clipping.errors import FeatureError

FRAMES_A_BLOCK = 100
"""Thumbnails that :func:`split` keeps together: few enough for the processor's cache, where
unpacking takes two thirds of the time; two blocks make a window."""
_LEVEL = 1  # higher ones cost 1.5 to 10 times the time; what is left is noise to them as well
_MOST_DIFFERENCES = 2
_MOST_SCRATCH = 1 << 23
_of_thread = threading.local()
_BOX = np.dtype("<u2")  # top, bottom, left, right of what is not black


def pack_frames(frames: np.ndarray) -> np.ndarray:
    """uint8 (n, 3, height, width) RGB pictures → bytes.

    Left out are rows and columns at the border that are black in all of them (letterboxes). Kept
    are differences modulo 256: of red and blue to green, of each pixel to the one above and the
    one to the left, and, where that makes a picture smaller, to the picture before.
    """
    top, bottom = _extent(frames.max((0, 1, 3), initial=0))
    left, right = _extent(frames.max((0, 1, 2), initial=0))
    rest = frames[:, :, top:bottom, left:right].copy()
    rest[:, 0] -= rest[:, 1]
    rest[:, 2] -= rest[:, 1]
    rest[:, :, 1:] -= rest[:, :, :-1]
    rest[..., 1:] -= rest[..., :-1]
    moved = rest.copy()
    moved[1:] -= rest[:-1]
    still = _size(moved) < _size(rest)
    still[:1] = False
    rest[still] = moved[still]
    box = np.array([top, bottom, left, right], _BOX)
    # Column by column: then unpacking adds long runs instead of single bytes.
    packed = _compress(still.tobytes() + rest.transpose(1, 3, 0, 2).tobytes())
    return np.concatenate([box.view(np.uint8), packed])


def unpack_frames(packed: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out``, uint8 (n, 3, height, width), with the pictures of :func:`pack_frames`.

    Raises:
        FeatureError: where these bytes are not that many pictures of that size.
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
    """int16 (n,) samples of sound → bytes.

    Kept are differences of the order that is smallest, modulo 65536, and their high bytes apart
    from their low ones.
    """
    orders = [samples]
    for _ in range(_MOST_DIFFERENCES):
        orders.append(np.diff(orders[-1], prepend=np.int16(0)))
    sizes = [np.abs(values.astype(np.float32)).sum() for values in orders]
    order = int(np.argmin(sizes))
    values = orders[order]
    folded = (values << 1) ^ (values >> 15)  # 0, -1, 1, -2 … → 0, 1, 2, 3 …
    return _compress(bytes([order]) + _planes(folded.astype("<i2")))


def unpack_samples(packed: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out``, int16 (n,), with the samples of :func:`pack_samples`.

    Raises:
        FeatureError: where these bytes are not that many samples.
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
    """float32 of any shape → bytes: exponents together, for the last digits are noise."""
    return _compress(_planes(values.astype("<f4")))


def unpack_floats(packed: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out``, contiguous float32, with the values of :func:`pack_floats`, bit by bit.

    Raises:
        FeatureError: where these bytes are not that many values.
    """
    planes = _decompress(packed, out.nbytes).reshape(4, -1)
    values = np.empty((planes.shape[1], 4), np.uint8)
    for place, plane in enumerate(planes):
        values[:, place] = plane
    out[...] = values.view("<f4").reshape(out.shape)


def pack_masks(masks: np.ndarray) -> np.ndarray:
    """bool of any shape → bytes, eight to one before zstd."""
    return _compress(np.packbits(masks).tobytes())


def unpack_masks(packed: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out``, bool, with the masks of :func:`pack_masks`.

    Raises:
        FeatureError: where these bytes are not that many values.
    """
    bits = _decompress(packed, -(-out.size // 8))
    out[...] = np.unpackbits(bits, count=out.size).view(bool).reshape(out.shape)


Pack = Callable[[np.ndarray], np.ndarray]
Unpack = Callable[[np.ndarray, np.ndarray], None]


def split(name: str, array: np.ndarray, pack: Pack, step: int) -> dict[str, np.ndarray]:
    """An array as blocks of ``step`` along its first axis: ``{"NAME.0": …, "NAME.1": …}``."""
    firsts = range(0, len(array), step)
    return {f"{name}.{first // step}": pack(array[first : first + step]) for first in firsts}


def join(
    name: str,
    read: Callable[[str], np.ndarray],
    out: np.ndarray,
    unpack: Unpack,
    step: int,
    *,
    total: int,
    first: int = 0,
) -> None:
    """Fill ``out`` with ``first``, ``first + 1``, … of an array that :func:`split` took apart.

    Args:
        read: gives a block by its name (``get_tensor`` of an open safetensors file); asked only
            for those that are needed.
        total: the length of the whole array, ``first + len(out)`` or more.

    Raises:
        FeatureError: where a block is not what :func:`split` makes of such an array.
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
    """Bytes to compute in, the same ones each time: fresh pages cost more than the computing."""
    if size > _MOST_SCRATCH:
        return np.empty(size, np.uint8)
    if getattr(_of_thread, "scratch", None) is None or len(_of_thread.scratch) < size:
        _of_thread.scratch = np.empty(size, np.uint8)
    scratch: np.ndarray = _of_thread.scratch[:size]
    return scratch


def _extent(values: np.ndarray) -> tuple[int, int]:
    """The half-open span from the first value that is not 0 to the last one; 0, 0 of zeros."""
    places = np.flatnonzero(values)
    return (int(places[0]), int(places[-1]) + 1) if places.size else (0, 0)


def _size(rest: np.ndarray) -> np.ndarray:
    """How large the differences of each picture are, those of 255 being -1."""
    return np.minimum(rest, -rest).sum((1, 2, 3), dtype=np.uint64)


def _planes(values: np.ndarray) -> bytes:
    """All first bytes of the values, then all second ones, …"""
    return values.reshape(-1, 1).view(np.uint8).T.tobytes()


def _compress(data: bytes) -> np.ndarray:
    import zstandard

    packed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(data)
    return np.frombuffer(packed, np.uint8)


def _decompress(packed: np.ndarray, size: int) -> np.ndarray:
    """The ``size`` bytes behind one zstd frame, which must say their number in its header."""
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
    """A packed tensor; packing adds next to nothing to what cannot be made smaller."""
    found = file.get_slice(key)
    shape, kind = found.get_shape(), found.get_dtype()
    if kind != "U8" or len(shape) != 1 or shape[0] > most + most // 64 + 1024:
        raise FeatureError(f"{key} must be U8, of {most} bytes unpacked, got {kind} {shape}")
    array: np.ndarray = file.get_tensor(key)
    return array
