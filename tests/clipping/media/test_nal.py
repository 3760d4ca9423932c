"""NAL units, parameter sets, and the times that packets are decoded at."""

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making.cut_oracles import KINDS
from making.media import make_media

from clipping.cutting.picture import decoding_times
from clipping.media import nal


@pytest.mark.parametrize("name", ["h264.mkv", "hevc.mkv"])
def test_parameter_sets_are_the_same_in_a_box_and_with_start_codes(tmp_path, name):
    with av.open(
        str(make_media(tmp_path / name, size=(160, 90), duration=0.5, **KINDS[name]))
    ) as container:
        context = container.streams.video[0].codec_context
        codec, box = context.name, context.extradata
    sets = nal.parameter_sets(codec, box)
    assert len(sets) == (2 if codec == "h264" else 3)
    assert nal.length_size(codec, box) == 4
    assert nal.length_size(codec, nal.annex_b(sets)) == 0
    assert nal.parameter_sets(codec, nal.annex_b(sets)) == sets
    with pytest.raises(ValueError, match="cut short"):
        nal.parameter_sets(codec, box[:12])


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
def test_units_are_split_as_they_were_put_together(units):
    lengths = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    assert nal.split_units(lengths, 4) == units
    # A unit never ends in a zero byte and holds no start code: encoders see to that.
    units = [unit.replace(b"\x00", b"\x01") for unit in units]
    assert nal.split_units(nal.annex_b(units), 0) == units


@given(st.binary(max_size=60), st.sampled_from([1, 2, 4]))
def test_damaged_packets_are_refused_not_misread(data, size):
    try:
        units = nal.split_units(data, size)
    except ValueError:
        return
    assert b"".join(len(unit).to_bytes(size, "big") + unit for unit in units) == data


def test_a_free_parameter_set_number_is_one_that_nobody_has():
    def sps(bits):
        return bytes([0x67, 100, 0, 30]) + int(bits.ljust(16, "1"), 2).to_bytes(2, "big")

    def pps(bits):
        return b"\x68" + int(bits.ljust(16, "1"), 2).to_bytes(2, "big")

    assert nal.free_h264_id([]) == 0
    assert nal.free_h264_id([sps("1"), pps("1")]) == 1  # "1" codes 0
    assert nal.free_h264_id([sps("1"), pps("010"), pps("011")]) == 3  # 0, 1 and 2
    assert nal.free_h264_id([sps("00101")]) == 0  # 4


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 1, 2], [0, 1, 2]),
        ([0, 3, 1, 2, 6, 4, 5], [-1, 0, 1, 2, 3, 4, 5]),
        ([0, 8, 4, 2, 6], [-4, -2, 0, 2, 4]),
        ([5], [5]),
    ],
)
def test_decoding_times_rise_and_never_come_after_the_picture_is_shown(times, expected):
    found = decoding_times(times)
    assert found == expected
    assert all(dts <= pts for dts, pts in zip(found, times, strict=True))
