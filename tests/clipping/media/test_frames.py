"""frames_at shows exactly what a player would show, whatever codec, container or damage."""

from __future__ import annotations

import functools
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making.media import corrupt, frame_times, make_media, read_barcode, truncate

from clipping.errors import MediaError
from clipping.media.frames import frames_at
from clipping.media.probe import probe

OPUS = {"audio_codec": "libopus", "audio_rate": 48000}
HEVC = {"video_codec": "libx265"}
MPEG2 = {"video_codec": "mpeg2video", "bit_rate": 1_500_000, "audio_codec": "mp2"}
FILES = {
    "h264.mp4": {},
    "h264.mkv": {},
    "h264.ts": {},
    "h264.flv": {},
    "open gop.mp4": {"open_gop": True, "gop": 12},
    "open gop.ts": {"open_gop": True, "gop": 12},
    "variable.mp4": {"variable": True},
    "variable.mkv": {"variable": True},
    "hevc 10 bit.mkv": {**HEVC, **OPUS, "open_gop": True, "pixel_format": "yuv420p10le"},
    "hevc.ts": {**HEVC, "open_gop": True, "gop": 12},
    "vp9.webm": {**OPUS, "video_codec": "libvpx-vp9"},
    "av1.mp4": {"video_codec": "libsvtav1"},
    "mpeg2.ts": MPEG2,
    "mpeg2.mpg": MPEG2,
    "mpeg4.avi": {"video_codec": "mpeg4", "audio_codec": "libmp3lame"},
    "all key.mov": {"video_codec": "prores", "pixel_format": "yuv422p10le"},
    "odd.mkv": {"size": (321, 181), "pixel_format": "yuv444p"},
    "rotated 90.mp4": {"rotation": 90, "size": (180, 320)},
    "rotated 180.mov": {"rotation": 180},
    "rotated 270.mp4": {"rotation": 270, "size": (180, 320)},
    "starts at 5.mp4": {"start": 5.0},
    "starts at 5.mkv": {"start": 5.0},
    "starts at 5.ts": {"start": 5.0},
    "edit list.mp4": {"start": -0.5},
    "ntsc.mkv": {"rate": Fraction(24000, 1001)},
    "no sound.mp4": {"audio_codec": None},
    "ünï 日本 'q\" $x;.mp4": {},
}
LONG = {
    "h264.mp4": {},
    "h264 open gop.ts": {"open_gop": True},
    "hevc open gop.mkv": {**HEVC, "open_gop": True},
    "mpeg2.mpg": {**MPEG2, "rate": 25},
    "vp9.webm": {**OPUS, "video_codec": "libvpx-vp9"},
    "mpeg4.avi": {"video_codec": "mpeg4"},
}


@functools.cache
def folder() -> Path:
    """One folder for the files that several tests read; it goes with the process."""
    folder.keep = tempfile.TemporaryDirectory(prefix="avtnet-frames-")
    return Path(folder.keep.name)


@functools.cache
def short_file(name: str) -> Path:
    return make_media(folder() / name, duration=2.0, **FILES[name])


@functools.cache
def long_file(name: str) -> Path:
    options = {"rate": 10, "gop": 40, "size": (160, 96), **LONG[name]}
    return make_media(folder() / f"long {name}", duration=36.0, **options)


@functools.cache
def plain_decode(path: Path) -> list[tuple[float, int]]:
    """(media time, barcode) of every frame, by decoding all of them in order."""
    frames = []
    with av.open(str(path)) as container:
        start = min(s.start_time * s.time_base for s in container.streams)
        for frame in container.decode(video=0):
            upright = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            frames.append((float(frame.pts * frame.time_base - start), read_barcode(upright)))
    assert frames
    return frames


def shown(path: Path, times: list[float]) -> list[int | None]:
    """The numbers of the frames that frames_at gives, read from pictures of about 160 pixels."""
    numbers = []
    for frame in frames_at(path, times):
        if frame is None:
            numbers.append(None)
        else:
            width, height = frame.size
            numbers.append(read_barcode(frame.rgb((width // 2, height // 2))))
    return numbers


def expected(path: Path, times: list[float]) -> list[int]:
    frames = plain_decode(path)
    return [
        max((frame for frame in frames if frame[0] <= time + 1e-6), default=frames[0])[1]
        for time in times
    ]


@pytest.mark.parametrize("name", FILES)
class TestEveryFile:
    """The contract, for each codec and container."""

    def test_each_frame_is_shown_from_its_pts_to_the_next(self, name: str) -> None:
        frames = plain_decode(short_file(name))
        assert [number for _, number in frames] == sorted(number for _, number in frames)
        begins = [time for time, _ in frames]
        just_before = [time - 0.0005 for time in begins[1:]]
        times = sorted([*begins, *just_before])
        assert shown(short_file(name), times) == expected(short_file(name), times)

    def test_the_same_frame_may_be_asked_for_twice(self, name: str) -> None:
        times = [0.0, 0.0, 0.7, 0.7, 0.701]
        assert shown(short_file(name), times) == expected(short_file(name), times)

    def test_nothing_is_shown_after_the_last_frame(self, name: str) -> None:
        last, number = plain_decode(short_file(name))[-1]
        assert shown(short_file(name), [last + 0.001, last + 1, last + 1000]) == [
            number,
            None,
            None,
        ]


@pytest.mark.parametrize("name", LONG)
class TestSeeking:
    """Far gaps are skipped, and the frame is still exactly the right one."""

    def test_a_single_late_frame(self, name: str) -> None:
        path = long_file(name)
        for time in (11.0, 19.95, 20.0, 20.05, 23.999, 35.4):
            assert shown(path, [time]) == expected(path, [time])

    def test_frames_around_every_keyframe(self, name: str) -> None:
        path = long_file(name)
        times = [float(t) for key in (12, 16, 24, 28, 32) for t in (key - 0.15, key, key + 0.15)]
        for time in times:
            assert shown(path, [time]) == expected(path, [time])

    def test_far_apart_times_in_one_call(self, name: str) -> None:
        path = long_file(name)
        times = [0.3, 0.4, 14.2, 14.3, 33.3]
        assert shown(path, times) == expected(path, times)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0, 1.9), min_size=1, max_size=12).map(sorted))
def test_any_times_of_a_variable_rate_file_are_exact(times: list[float]) -> None:
    truth = frame_times(2.0, variable=True)
    # Matroska rounds to 1 ms: times that close to a change may show either frame.
    times = [t for t in times if min(abs(float(change) - t) for change in truth) > 0.001]
    wanted = [sum(float(change) <= t for change in truth) - 1 for t in times]
    assert shown(short_file("variable.mkv"), times) == wanted


def test_frame_says_its_own_time() -> None:
    (frame,) = frames_at(short_file("h264.mp4"), [1.02])
    assert frame is not None
    assert frame.time == pytest.approx(1.0)
    assert frame.duration == pytest.approx(1 / 24)


def test_seconds_hidden_by_an_edit_list_are_not_shown() -> None:
    assert shown(short_file("edit list.mp4"), [0.0]) == [12]


def test_a_picture_that_begins_a_little_late_is_there_from_second_0(tmp_path: Path) -> None:
    path = make_media(tmp_path / "late.mkv", duration=1, start=0.3, audio_start=0.0)
    assert shown(path, [0.0, 0.31]) == [0, 0]


def test_a_picture_that_begins_later_is_not(tmp_path: Path) -> None:
    path = make_media(tmp_path / "later.mkv", duration=1, start=0.8, audio_start=0.0)
    assert shown(path, [0.0, 0.29, 0.31, 0.81]) == [None, None, 0, 0]


def test_upright_square_pixels(tmp_path: Path) -> None:
    (turned,) = frames_at(short_file("rotated 90.mp4"), [0.5])
    assert turned is not None
    assert (turned.picture.width, turned.picture.height) == (320, 180)
    assert turned.size == (180, 320)
    assert turned.rgb().shape == (320, 180, 3)
    assert turned.rgb((50, 88)).shape == (88, 50, 3)
    assert turned.rgb().flags.c_contiguous

    wide = make_media(tmp_path / "wide.mkv", duration=0.5, codec_options={"x264-params": "sar=4/3"})
    (frame,) = frames_at(wide, [0.0])
    assert frame is not None
    assert frame.size == (427, 180)
    assert probe(wide).video.display_size == (427, 180)
    assert read_barcode(frame.rgb()) == 0


def test_a_small_picture_is_the_mean_of_its_areas(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (180, 320, 1), dtype=np.uint8).repeat(3, axis=2)
    options = {"video_codec": "ffv1", "pixel_format": "bgr0", "audio_codec": None}
    path = make_media(tmp_path / "n.mkv", duration=0.1, draw=lambda *_: noise, **options)
    (frame,) = frames_at(path, [0.0])
    assert frame is not None
    areas = frame.rgb().reshape(45, 4, 80, 4, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(frame.rgb((80, 45)) - areas).max() <= 2


def test_ten_bits_give_the_same_colours() -> None:
    (eight,), (ten,) = (
        frames_at(short_file(name), [1.03]) for name in ("h264.mkv", "hevc 10 bit.mkv")
    )
    assert eight is not None
    assert ten is not None
    difference = eight.rgb((80, 45)).astype(int) - ten.rgb((80, 45))
    assert np.abs(difference).mean() < 4


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_truncated_file_is_shown_as_far_as_it_goes(tmp_path: Path, suffix: str) -> None:
    path = truncate(make_media(tmp_path / f"cut.{suffix}", duration=4.0))
    numbers = shown(path, [0.0, 1.0, 2.0, 2.2, 3.9])
    assert numbers[:3] == expected(path_of_whole(suffix), [0.0, 1.0, 2.0])
    assert numbers[-1] is None


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_damage_in_the_middle_is_stepped_over(tmp_path: Path, suffix: str) -> None:
    path = corrupt(make_media(tmp_path / f"damaged.{suffix}", duration=4.0))
    (before, after) = (
        read_barcode(frame.rgb()) for frame in frames_at(path, [1.0, 3.5]) if frame is not None
    )
    assert (before, after) == tuple(expected(path_of_whole(suffix), [1.0, 3.5]))
    assert None not in list(frames_at(path, [k / 8 for k in range(31)]))


@functools.cache
def path_of_whole(suffix: str) -> Path:
    return make_media(folder() / f"whole.{suffix}", duration=4.0)


def test_a_file_of_which_no_frame_decodes(tmp_path: Path) -> None:
    path = corrupt(make_media(tmp_path / "n.mkv", audio_codec=None), 0.004, 1.0)
    with pytest.raises(MediaError, match=r"n\.mkv: no frame of its video can be decoded"):
        list(frames_at(path, [0.0]))


def test_sound_alone_has_no_frames(tmp_path: Path) -> None:
    path = make_media(tmp_path / "s.m4a", duration=1, video_codec=None)
    with pytest.raises(MediaError, match=r"s\.m4a: has no video"):
        list(frames_at(path, [0.0]))


def test_times_must_ascend() -> None:
    with pytest.raises(ValueError, match="ascending"):
        frames_at(short_file("h264.mp4"), [1.0, 0.5])


def test_an_iteration_may_be_given_up(tmp_path: Path) -> None:
    frames = frames_at(short_file("h264.mp4"), [0.0, 0.5])
    first = next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert first is not None
    assert read_barcode(first.rgb()) == 0
