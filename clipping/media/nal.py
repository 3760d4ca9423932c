"""NAL units: the pieces of an H.264 (ITU-T H.264, 7.3) or HEVC (H.265, 7.3) stream.

A cut that copies pictures must know which of them a decoder can start at, and must keep the
parameter sets (SPS, PPS, VPS) of the copied and the newly encoded pictures apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_H264_IDR, _H264_SEI, _H264_SPS, _H264_PPS = 5, 6, 7, 8
_RECOVERY_POINT = 6
_HEVC_CRA, _HEVC_BLA_N_LP = 21, 18
_HEVC_CLEAN = range(16, 22)  # BLA, IDR, CRA
_HEVC_SETS = range(32, 35)
_START = re.compile(rb"\x00*\x00\x00\x01")
SPLICEABLE = ("h264", "hevc")


def kind(codec: str, unit: bytes) -> int:
    """nal_unit_type."""
    return unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63


def length_size(codec: str, extradata: bytes) -> int:
    """Bytes of the length before each unit in a packet; 0 where start codes part them (Annex B).

    ``extradata`` is the stream's avcC or hvcC box, Annex B units, or empty.
    """
    if not _is_box(extradata):
        return 0
    return (extradata[4 if codec == "h264" else 21] & 3) + 1


def parameter_sets(codec: str, extradata: bytes) -> list[bytes]:
    """The parameter sets of a stream's header, in the order they stand there.

    Raises:
        ValueError: where the header is damaged.
    """
    if not _is_box(extradata):
        wanted = (_H264_SPS, _H264_PPS) if codec == "h264" else _HEVC_SETS
        return [unit for unit in split(extradata, 0) if kind(codec, unit) in wanted]
    sets: list[bytes] = []
    try:
        if codec == "h264":
            position = 5
            for mask in (31, 255):
                count, position = extradata[position] & mask, position + 1
                position = _take(extradata, position, count, sets)
        else:
            position = 23
            for _ in range(extradata[22]):
                count = int.from_bytes(extradata[position + 1 : position + 3], "big")
                position = _take(extradata, position + 3, count, sets)
            sets = [unit for unit in sets if kind(codec, unit) in _HEVC_SETS]
    except IndexError as error:
        raise ValueError(f"the {codec} header of {len(extradata)} bytes is cut short") from error
    return sets


def split(data: bytes, length_size: int) -> list[bytes]:
    """The units of a packet.

    Raises:
        ValueError: where a length points behind the packet's end.
    """
    if length_size == 0:
        parts = (part.rstrip(b"\x00") for part in _START.split(data))
        return [part for part in parts if part]
    units, position = [], 0
    while position < len(data):
        begin = position + length_size
        end = begin + int.from_bytes(data[position:begin], "big")
        if not begin < end <= len(data):
            raise ValueError(f"a unit of {end - begin} bytes at {position} of {len(data)}")
        units.append(data[begin:end])
        position = end
    return units


def annex_b(units: Iterable[bytes]) -> bytes:
    """Units one after another, each behind a start code."""
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in units)


def is_clean_start(codec: str, units: Iterable[bytes]) -> bool:
    """Whether decoding can start here, behind pictures of any other stream.

    H.264: at an IDR picture; an I picture of an open group keeps counting from its forerunners.
    HEVC: at every random access point (see :func:`splice`). Leading pictures, shown before the
    start but stored behind it, must be left out.
    """
    kinds = [kind(codec, unit) for unit in units]
    if codec == "h264":
        return _H264_IDR in kinds
    return any(each in _HEVC_CLEAN for each in kinds)


def recovers_at_once(codec: str, units: Iterable[bytes]) -> bool:
    """Whether an H.264 picture says that all pictures shown after it can be decoded from here.

    The recovery point message (D.1.8, recovery_frame_cnt = 0) of an I picture in an open group.
    Where the count is larger (intra refresh), the pictures up to it would be approximate.
    """
    if codec != "h264":
        return False
    for unit in units:
        if kind(codec, unit) == _H264_SEI:
            for message, payload in _messages(unit[1:]):
                if message == _RECOVERY_POINT:
                    return bool(payload) and _exp_golomb(payload) == 0
    return False


def is_upper_layer(unit: bytes) -> bool:
    """Whether an HEVC unit is a picture of a temporal sub-layer above the lowest."""
    return kind("hevc", unit) < _HEVC_SETS.start and len(unit) > 1 and unit[1] & 7 > 1


def splice(codec: str, units: Iterable[bytes]) -> list[bytes]:
    """The first copied picture, told that other pictures come before it.

    HEVC has a type of picture for this: a CRA picture becomes a BLA picture (the first byte of
    its units changes), so that a decoder starts its counting anew.
    """
    if codec == "h264":
        return list(units)
    return [
        bytes([_HEVC_BLA_N_LP << 1 | unit[0] & 1]) + unit[1:]
        if kind(codec, unit) == _HEVC_CRA
        else unit
        for unit in units
    ]


def free_h264_id(sets: Iterable[bytes]) -> int | None:
    """A number that no SPS and no PPS of a stream has; None where all 32 are taken."""
    taken = set()
    for unit in sets:
        # profile, constraints and level stand before the number of an SPS, nothing before a PPS's
        payload = unit[4:] if kind("h264", unit) == _H264_SPS else unit[1:]
        taken.add(_exp_golomb(payload))
    return next((number for number in range(32) if number not in taken), None)


def _exp_golomb(data: bytes) -> int:
    """The unsigned Exp-Golomb number that ``data`` begins with."""
    bits = "".join(f"{byte:08b}" for byte in data[:8])
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (type, payload) of each message in an SEI unit (7.3.2.3.1)."""
    position = 0
    while position + 2 <= len(data) and data[position:] != b"\x80":
        numbers = []
        for _ in range(2):
            number = 0
            while position < len(data) and data[position] == 255:
                number, position = number + 255, position + 1
            if position == len(data):
                return
            numbers.append(number + data[position])
            position += 1
        yield numbers[0], data[position : position + numbers[1]]
        position += numbers[1]


def _is_box(extradata: bytes) -> bool:
    return len(extradata) > 6 and extradata[0] == 1


def _take(data: bytes, position: int, count: int, into: list[bytes]) -> int:
    """Read ``count`` units with 16-bit lengths; the position behind them."""
    for _ in range(count):
        size = int.from_bytes(data[position : position + 2], "big")
        if position + 2 + size > len(data):
            raise IndexError(position)
        into.append(data[position + 2 : position + 2 + size])
        position += 2 + size
    return position
