"""decode_needed returns the same frames, bit for bit, as decoding everything, or says it can't."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making.media import corrupt, make_media, truncate
from test_frames import FILES, HEVC, LONG, MPEG2, long_file, short_file

from clipping.media import decode_needed, frames
from clipping.media.decode_needed import NeedsAllFrames
from clipping.media.frames import decode_all, frames_at

PLAIN = {"mpeg4.avi"}
"""Files of a codec for which decode_needed always gives up."""
INTERLACED = {"codec_options": {"x264-params": "interlaced=1"}}
ODD = {
    "interlaced.mkv": INTERLACED,
    "interlaced.ts": INTERLACED,
    "interlaced mpeg2.mpg": {**MPEG2, "codec_options": {"flags": "+ildct+ilme"}},
    "intra refresh.mkv": {"codec_options": {"x264-params": "intra-refresh=1:keyint=24"}},
    "pyramid.mp4": {"codec_options": {"x264-params": "bframes=8:b-pyramid=normal:b-adapt=0"}},
    "layers.mkv": {
        **HEVC,
        "codec_options": {
            "preset": "medium",
            "x265-params": "log-level=none:temporal-layers=3:bframes=7:b-adapt=0",
        },
    },
    "no index.mkv": {"container_options": {"live": "1"}},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "raw.h264": {"audio_codec": None},
    "slides.mkv": {"rate": Fraction(1, 3)},
    "ten a second.mkv": {"rate": 10, "codec_options": {"x264-params": "bframes=16:b-adapt=0"}},
    "one group.mp4": {"gop": 10_000},
}


def pictures(found) -> list[tuple[float, float, bytes] | None]:
    """Every bit of each frame."""
    return [f and (f.time, f.duration, f.picture.to_ndarray().tobytes()) for f in found]


def quick(path: Path, times: list[float]) -> tuple[list[tuple[float, float, bytes] | None], str]:
    """The frames of decode_needed, and the reason if it gave up ("" if not)."""
    found = []
    try:
        for frame in frames._decode_needed(path, times, 1):
            found += pictures([frame])
    except NeedsAllFrames as error:
        return found, str(error)
    return found, ""


def same(path: Path, times: list[float]) -> str:
    """Assert that both ways give the same frames; return why decode_needed gave up ("" if not)."""
    plain = pictures(decode_all(path, times, 1))
    found, why = quick(path, times)
    assert found == plain[: len(found)]
    assert why or len(found) == len(plain)
    assert pictures(frames_at(path, times, threads=1)) == plain
    return why


@pytest.mark.parametrize("name", FILES)
def test_every_codec_and_container(name: str) -> None:
    times = [k / 3 for k in range(8)]
    assert bool(same(short_file(name), times)) == (name in PLAIN)


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("first", [0.0, 12.3])
def test_a_window_from_the_start_and_from_the_middle(name: str, first: float) -> None:
    times = [first + second for second in range(25)]
    assert bool(same(long_file(name), times)) == (name in PLAIN)


@pytest.mark.parametrize("name", ODD)
def test_streams_that_break_promises(name: str, tmp_path: Path) -> None:
    options = {"duration": 24.0, "size": (160, 96), **ODD[name]}
    path = make_media(tmp_path / name, **options)
    why = same(path, [float(second) for second in range(24)])
    same(path, [11.1 + second for second in range(12)])
    expected = {
        "interlaced.mkv": "scan",
        "interlaced.ts": "scan",
        "interlaced mpeg2.mpg": "scan",
        "raw.h264": "without a time",
    }
    assert expected.get(name, "") in why
    assert bool(why) == (name in expected)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("damage", [truncate, corrupt])
def test_damaged_files(suffix: str, damage, tmp_path: Path) -> None:
    path = damage(make_media(tmp_path / f"d.{suffix}", duration=12.0, size=(160, 96)))
    same(path, [second / 2 for second in range(26)])


def remux(source: Path, target: Path, change) -> Path:
    """Copy the video packets of a file and let ``change`` alter their timestamps."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = [packet for packet in old.demux(video=0) if packet.size]
        for number, packet in enumerate(packets):
            change(number, packet)
            packet.stream = stream
            with contextlib.suppress(av.error.ArgumentError):  # a muxer may refuse the worst
                new.mux(packet)
    return target


def _twice(number: int, packet: av.Packet) -> None:
    if number == 60:
        packet.pts -= round(1 / 24 / packet.time_base)


def _back(number: int, packet: av.Packet) -> None:
    if number >= 120:
        shift = round(3 / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift


def _far(number: int, packet: av.Packet) -> None:
    if number == 97:
        packet.pts += round(5000 / packet.time_base)


@pytest.mark.parametrize("change", [_twice, _back, _far])
@pytest.mark.parametrize("suffix", ["mkv", "ts"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_broken_timestamps(change, suffix: str, b_frames: int, tmp_path: Path) -> None:
    options = {"duration": 10.0, "size": (160, 96), "audio_codec": None, "b_frames": b_frames}
    good = make_media(tmp_path / f"good.{suffix}", **options)
    path = remux(good, tmp_path / f"broken.{suffix}", change)
    same(path, [second / 2 for second in range(22)])


@pytest.mark.parametrize("name", ["h264.mp4", "hevc open gop.mkv", "mpeg2.mpg"])
def test_most_pictures_are_never_decoded(name: str, tmp_path: Path, monkeypatch) -> None:
    options = {**LONG[name], "rate": 25, "gop": 60, "b_frames": 3}
    path = make_media(tmp_path / name, duration=20.0, size=(160, 96), **options)
    counted = []

    class Counting(decode_needed._Reader):
        def _decode(self, packet, plan) -> None:
            if packet is not None and self._stream.codec_context.skip_frame == "DEFAULT":
                counted.append(packet)
            super()._decode(packet, plan)

    monkeypatch.setattr(decode_needed, "_Reader", Counting)
    found, why = quick(path, [float(second) for second in range(20)])
    assert not why
    assert len(found) == 20
    assert len(counted) < 0.2 * 20 * 25


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.floats(0, 40), min_size=1, max_size=30).map(sorted),
    st.sampled_from(["h264.mp4", "hevc open gop.mkv", "h264 open gop.ts"]),
)
def test_any_times_at_all(times: list[float], name: str) -> None:
    assert same(long_file(name), times) == ""


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_plan_names_the_last_picture_at_or_before_each_time(data: st.DataObject) -> None:
    """Packets may come in any order in which no picture is held back by more than 16 others."""
    gaps = data.draw(st.lists(st.floats(0.01, 3), min_size=1, max_size=80))
    shown = np.cumsum(gaps).tolist()
    rank = [index + data.draw(st.integers(0, 8)) for index in range(len(shown))]
    decoded = [time for _, time in sorted(zip(rank, shown, strict=True))]
    wanted = sorted(data.draw(st.lists(st.floats(0, shown[-1] + 5), min_size=1, max_size=40)))
    plan = decode_needed._Plan(wanted)
    resolved = []
    for time in decoded:
        plan.add(time)
        resolved += plan.resolve()
        if plan.done:
            break
    resolved += plan.resolve(ended=True)
    for index, target in resolved:
        before = [time for time in shown if time <= wanted[index] + 1e-6]
        late = shown[0] if shown[0] <= wanted[index] + 0.5 else None
        assert target == (before[-1] if before else late)
    assert [index for index, _ in resolved] == list(range(len(wanted)))
