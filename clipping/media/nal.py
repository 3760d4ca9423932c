"""Read NAL units: the pieces that an H.264 or HEVC stream consists of.

A unit is a part of a coded picture (a slice), a parameter set (SPS, PPS, VPS: settings that slices
refer to by number) or a message to the decoder (SEI). Section numbers in this module are those of
ITU-T H.264 and H.265 (HEVC); both define the units in 7.3 and 7.4.

There are two ways to store units in a packet: each after its length in bytes (MP4, Matroska), or
each after a start code 00 00 01 (H.264/H.265 Annex B; MPEG-TS, raw streams).

A cut that copies pictures must know at which pictures a decoder can start, and must keep the
parameter sets of the copied and of the newly encoded pictures apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# Values of nal_unit_type (H.264: table 7-1, H.265: table 7-1) and of an SEI message's payloadType.
_H264_IDR, _H264_SEI, _H264_SPS, _H264_PPS = 5, 6, 7, 8
_RECOVERY_POINT = 6
_HEVC_CRA, _HEVC_BLA_N_LP = 21, 18
_HEVC_CLEAN = range(16, 22)  # random access points: BLA, IDR, CRA
_HEVC_SETS = range(32, 35)  # VPS, SPS, PPS
_START_CODE = re.compile(rb"\x00*\x00\x00\x01")
SPLICEABLE = ("h264", "hevc")
"""Codecs that consist of NAL units."""


def unit_type(codec: str, unit: bytes) -> int:
    """The nal_unit_type of a unit: a number from its header (7.3.1)."""
    return unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63


def length_size(codec: str, extradata: bytes) -> int:
    """Bytes of the length field before each unit of a packet; 0 if start codes separate the units.

    Args:
        extradata: the stream's header: an avcC or hvcC box (ISO/IEC 14496-15), units with start
            codes, or empty.
    """
    if not _is_box(extradata):
        return 0
    # lengthSizeMinusOne: the two lowest bits of byte 4 in avcC, of byte 21 in hvcC
    return (extradata[4 if codec == "h264" else 21] & 3) + 1


def parameter_sets(codec: str, extradata: bytes) -> list[bytes]:
    """The parameter sets in a stream's header, in their order there.

    Raises:
        ValueError: if the header is cut short.
    """
    if not _is_box(extradata):
        wanted = (_H264_SPS, _H264_PPS) if codec == "h264" else _HEVC_SETS
        return [unit for unit in split_units(extradata, 0) if unit_type(codec, unit) in wanted]
    sets: list[bytes] = []
    try:
        if codec == "h264":
            # avcC: after 5 bytes, a count (5 bits) and the SPS, then a count (8 bits) and the PPS
            position = 5
            for mask in (31, 255):
                count, position = extradata[position] & mask, position + 1
                position = _take(extradata, position, count, sets)
        else:
            # hvcC: after 22 bytes, the number of arrays; each has its type, a count and units
            position = 23
            for _ in range(extradata[22]):
                count = int.from_bytes(extradata[position + 1 : position + 3], "big")
                position = _take(extradata, position + 3, count, sets)
            sets = [unit for unit in sets if unit_type(codec, unit) in _HEVC_SETS]
    except IndexError as error:
        raise ValueError(f"the {codec} header of {len(extradata)} bytes is cut short") from error
    return sets


def split_units(data: bytes, length_size: int) -> list[bytes]:
    """The units of a packet, without lengths or start codes.

    Args:
        length_size: as :func:`length_size` returns it.

    Raises:
        ValueError: if a length reaches beyond the end of the packet.
    """
    if length_size == 0:
        # Zeros after a unit are padding (trailing_zero_8bits, B.1): a unit never ends in one.
        parts = (part.rstrip(b"\x00") for part in _START_CODE.split(data))
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
    """Join units, each after a start code (Annex B)."""
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in units)


def is_clean_start(codec: str, units: Iterable[bytes]) -> bool:
    """True if decoding can start at this picture even right after pictures of another stream.

    H.264: at an IDR picture only. It resets the decoder. The I picture of an open GOP does not: the
    numbers and the order of the pictures after it continue those before it.
    HEVC: at every random access point, since a CRA picture can be made a reset (:func:`splice`).

    The caller must leave out leading pictures (stored after this picture but shown before it): they
    refer to pictures of the group before.
    """
    types = [unit_type(codec, unit) for unit in units]
    if codec == "h264":
        return _H264_IDR in types
    return any(each in _HEVC_CLEAN for each in types)


def recovers_at_once(codec: str, units: Iterable[bytes]) -> bool:
    """True if an H.264 picture says: it and all pictures shown after it can be decoded from here.

    The I picture of an open GOP says so by a recovery point message (SEI, D.1.8) with
    recovery_frame_cnt = 0. With a larger count (intra refresh) the first so many pictures would
    only be approximate, so the answer is False.
    """
    if codec != "h264":
        return False
    for unit in units:
        if unit_type(codec, unit) == _H264_SEI:
            for message, payload in _messages(unit[1:]):
                if message == _RECOVERY_POINT:
                    return bool(payload) and _exp_golomb(payload) == 0
    return False


def is_upper_layer(unit: bytes) -> bool:
    """True if an HEVC unit belongs to a picture of a temporal sub-layer above the lowest."""
    # The lowest three bits of the header's second byte: nuh_temporal_id_plus1 (7.3.1.2).
    return unit_type("hevc", unit) < _HEVC_SETS.start and len(unit) > 1 and unit[1] & 7 > 1


def splice(codec: str, units: Iterable[bytes]) -> list[bytes]:
    """The units of the first copied picture, marked as one that follows foreign pictures.

    HEVC has a picture type for this, BLA ("broken link access", table 7-1): a CRA picture is
    renamed to BLA, which changes only the first byte of its units. The decoder then resets and does
    not look for references in the pictures before. H.264 needs nothing: an IDR picture resets.
    """
    if codec == "h264":
        return list(units)
    return [
        bytes([_HEVC_BLA_N_LP << 1 | unit[0] & 1]) + unit[1:]
        if unit_type(codec, unit) == _HEVC_CRA
        else unit
        for unit in units
    ]


def free_h264_id(sets: Iterable[bytes]) -> int | None:
    """A number below 32 that no SPS and no PPS of a stream has; None if all are taken."""
    taken = set()
    for unit in sets:
        # An SPS has profile, constraints and level (3 bytes) before its number, a PPS nothing.
        payload = unit[4:] if unit_type("h264", unit) == _H264_SPS else unit[1:]
        taken.add(_exp_golomb(payload))
    return next((number for number in range(32) if number not in taken), None)


def _exp_golomb(data: bytes) -> int:
    """The number that ``data`` begins with, in the code ue(v) (unsigned Exp-Golomb, H.264 9.1).

    n zero bits, then the number plus one in n + 1 bits: 1 → 0, 010 → 1, 011 → 2, 00100 → 3 …
    """
    bits = "".join(f"{byte:08b}" for byte in data[:8])
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (type, payload) of each message in an SEI unit (7.3.2.3.1)."""
    position = 0
    while position + 2 <= len(data) and data[position:] != b"\x80":  # 80: the unit's last byte
        # Type, then size: each a sum of bytes, of which all but the last are 255.
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
    """True for an avcC or hvcC box: both begin with version 1, units with start codes with 0."""
    return len(extradata) > 6 and extradata[0] == 1


def _take(data: bytes, position: int, count: int, into: list[bytes]) -> int:
    """Append ``count`` units with 16-bit lengths to ``into``; return the position after them."""
    for _ in range(count):
        size = int.from_bytes(data[position : position + 2], "big")
        if position + 2 + size > len(data):
            raise IndexError(position)
        into.append(data[position + 2 : position + 2 + size])
        position += 2 + size
    return position
