"""One window of a real file: what the network sees is what a full, plain decoding gives."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from making.media import corrupt, frame_times, make_media, read_barcode, truncate
from PIL import Image, ImageDraw, ImageFont

from clipping.errors import MediaError
from clipping.media.probe import probe
from clipping.media.sound import read_audio
from preprocess import FeatureSettings, extract
from preprocess.features import Features
from preprocess.frames import letterbox

THREE = FeatureSettings(window=3.0, text_engine="none")
SMALL = {"size": (160, 90), "rate": 8, "gop": 8}


def _barcodes(features: Features, seconds: int = 3) -> list[int]:
    """The frame numbers in the first thumbnails of a 16:9 file."""
    box = letterbox((160, 90), (88, 66))
    inside = features.frames[:seconds, :, box.top : box.top + box.height]
    return [read_barcode(frame.transpose(1, 2, 0)) for frame in inside]


def _librosa_mfcc(path, start: float, end: float, **stream) -> np.ndarray:
    librosa = pytest.importorskip("librosa")

    samples = read_audio(path, rate=22050, start=start, end=end, **stream)
    return librosa.feature.mfcc(y=samples, sr=22050)


def test_the_start_window_holds_the_frames_of_whole_seconds_and_the_sound(tmp_path):
    path = make_media(tmp_path / "01.mkv", duration=5, **SMALL)
    features = extract(path, "start", THREE)
    assert _barcodes(features) == [0, 8, 16]
    assert (features.start, features.covered, features.name) == (0.0, 3.0, "01")
    assert features.duration == pytest.approx(probe(path).duration)
    assert features.notes == ()
    expected = _librosa_mfcc(path, 0, 3)
    np.testing.assert_allclose(features.mfcc[:, : expected.shape[1]], expected, rtol=0, atol=1e-3)


def test_the_end_window_ends_with_the_file(tmp_path):
    path = make_media(tmp_path / "01.mkv", duration=5, audio_codec="flac", **SMALL)
    features = extract(path, "end", THREE)
    duration = probe(path).duration
    assert features.start == pytest.approx(duration - 3)
    shown = [int((duration - 3 + k) * 8 + 1e-6) for k in range(3)]
    assert _barcodes(features) == shown
    expected = _librosa_mfcc(path, duration - 3, duration)
    np.testing.assert_allclose(features.mfcc[:, : expected.shape[1]], expected, rtol=0, atol=1e-3)


def test_frames_equal_a_full_decoding_and_area_downscaling(tmp_path):
    path = make_media(tmp_path / "01.mp4", duration=4, size=(320, 180), rate=Fraction(24000, 1001))
    features = extract(path, "start", THREE)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    box = letterbox((320, 180), (88, 66))
    for second, thumbnail in enumerate(features.frames):
        shown = [f for f in frames if f.time <= second + 1e-6][-1]
        plain = Image.fromarray(shown.to_ndarray(format="rgb24"))
        small = np.asarray(plain.resize((box.width, box.height), Image.Resampling.BOX), int)
        inside = thumbnail[:, box.top : box.top + box.height].transpose(1, 2, 0)
        assert np.abs(inside - small).mean() < 2, "rounding and chroma, no other picture"
        assert not thumbnail[:, : box.top].any()
        assert not thumbnail[:, box.top + box.height :].any()


def test_text_is_masked_in_the_seconds_in_which_it_is_shown(tmp_path):
    def draw(number: int, time: float, size: tuple[int, int]) -> np.ndarray:
        image = Image.new("RGB", size, (30, 40, 80))
        if 1 <= time < 2:
            font = ImageFont.load_default(size=30)
            ImageDraw.Draw(image).text((160, 120), "DIRECTOR ANN", "white", font, anchor="mm")
        return np.asarray(image)

    path = make_media(tmp_path / "01.mp4", duration=3, size=(320, 180), rate=8, draw=draw)
    features = extract(path, "start", FeatureSettings(window=3.0))
    lower = features.text[:, 13:]  # the barcode of the test picture is above
    assert [bool(mask.any()) for mask in lower] == [False, True, False]
    assert features.text[1, 16, 18]


def test_a_file_shorter_than_a_window_is_followed_by_zeros(tmp_path):
    path = make_media(tmp_path / "01.mp4", duration=2.5, audio_codec="flac", **SMALL)
    settings = FeatureSettings(window=5.0, text_engine="none")
    start, end = extract(path, "start", settings), extract(path, "end", settings)
    for features in (start, end):
        assert features.start == 0
        assert features.covered == pytest.approx(2.5, abs=0.1)
        assert features.frames[:3].any(axis=(1, 2, 3)).all()
        assert not features.frames[3:].any()
        sounding = 1 + round(features.covered * 22050) // 512
        assert features.mfcc[:, sounding - 1].any()
        assert not features.mfcc[:, sounding:].any()
    np.testing.assert_array_equal(start.frames, end.frames)
    np.testing.assert_array_equal(start.mfcc, end.mfcc)


def test_a_window_of_200_s_has_the_shapes_of_the_original(tmp_path):
    tiny = {"size": (96, 54), "rate": 1, "gop": 20, "audio_rate": 8000, "bit_rate": 20_000}
    path = make_media(tmp_path / "01.mkv", duration=210, **tiny)
    features = extract(path, "end")
    assert features.mfcc.shape == (20, 8616)
    assert features.frames.shape == (200, 3, 66, 88)
    assert features.text.shape == (200, 27, 36)
    assert features.start == pytest.approx(probe(path).duration - 200)
    assert features.covered == 200
    assert features.frames.any(axis=(1, 2, 3)).all()


def test_one_second_of_media_is_enough(tmp_path):
    path = make_media(tmp_path / "01.mp4", duration=1, **SMALL)
    features = extract(path, "start", THREE)
    assert _barcodes(features, 1) == [0]
    assert features.mfcc[:, :40].any()


def test_without_sound_the_mfcc_are_zeros_and_a_note_says_so(tmp_path):
    path = make_media(tmp_path / "01.mp4", duration=3, audio_codec=None, **SMALL)
    features = extract(path, "start", THREE)
    assert not features.mfcc.any()
    assert features.frames.any()
    assert features.notes == ("no sound: the MFCC are zeros",)


def test_a_silent_track_counts_as_no_sound(tmp_path):
    path = make_media(
        tmp_path / "01.mkv",
        duration=3,
        audio_codec="flac",
        sound=lambda times, track: np.zeros_like(times),
        **SMALL,
    )
    features = extract(path, "start", THREE)
    assert not features.mfcc.any()
    assert "silent" in features.notes[0]


def test_seconds_after_the_picture_has_ended_are_black_and_counted(tmp_path):
    path = make_media(tmp_path / "01.mkv", duration=4, audio_start=2.0, **SMALL)  # sound to 6 s
    features = extract(path, "start", FeatureSettings(window=8.0, text_engine="none"))
    assert not features.frames[4:].any()
    assert features.notes == ("seconds without a picture, black: 2",)


@pytest.mark.parametrize("suffix", [".m4a", ".mka"])
def test_without_picture_frames_and_masks_are_zeros_and_a_note_says_so(suffix, tmp_path):
    path = make_media(tmp_path / f"01{suffix}", duration=3, video_codec=None)
    features = extract(path, "start", FeatureSettings(window=3.0))
    assert features.mfcc.any()
    assert not features.frames.any()
    assert not features.text.any()
    assert features.notes == ("no picture: frames and text are zeros",)


@pytest.mark.parametrize(
    ("media", "suffix"),
    [
        ({"pixel_format": "yuv420p10le", "video_codec": "libx265"}, ".mkv"),
        ({"layout": "5.1"}, ".mkv"),
        ({"rotation": 180}, ".mp4"),
        ({"start": 5.0}, ".mkv"),
        ({"video_codec": "libvpx-vp9", "audio_codec": "libopus", "audio_rate": 48000}, ".webm"),
    ],
    ids=["10-bit", "5.1", "upside down", "starts at 5 s", "webm"],
)
def test_files_of_every_kind_give_the_same_frames(media, suffix, tmp_path):
    path = make_media(tmp_path / f"01{suffix}", duration=4, **SMALL, **media)
    features = extract(path, "start", THREE)
    assert _barcodes(features) == [0, 8, 16]
    assert features.mfcc.any()
    assert features.notes == ()


def test_odd_sizes_and_portrait_are_letterboxed(tmp_path):
    odd = make_media(
        tmp_path / "odd.mkv", duration=2, size=(161, 91), rate=8, pixel_format="yuv444p"
    )
    features = extract(odd, "start", FeatureSettings(window=2.0))
    box = letterbox((161, 91), (88, 66))
    assert features.frames[0, :, box.top : box.top + box.height].any()
    assert not features.frames[:, :, : box.top].any()
    tall = make_media(tmp_path / "tall.mp4", duration=2, size=(90, 160), rate=8, rotation=90)
    frames = extract(tall, "start", FeatureSettings(window=2.0)).frames
    assert not frames[:, :, :, :25].any()
    assert not frames[:, :, :, 63:].any()
    assert frames[:, :, 0, 26:62].any()


def test_variable_frame_rate_is_read_by_timestamp(tmp_path):
    path = make_media(tmp_path / "01.mkv", duration=4, variable=True, **SMALL)
    times = frame_times(4, 8, variable=True)
    shown = [max(n for n, time in enumerate(times) if time <= second) for second in range(3)]
    assert _barcodes(extract(path, "start", THREE)) == shown


def test_the_chosen_language_decides_the_mfcc(tmp_path):
    path = make_media(tmp_path / "01.mkv", duration=3, languages=("jpn", "eng"), **SMALL)
    made = {
        choice: extract(path, "start", FeatureSettings(window=3, audio=choice, text_engine="none"))
        for choice in (None, "jpn", "eng", 2)
    }
    np.testing.assert_array_equal(made["eng"].mfcc, made[2].mfcc)
    np.testing.assert_array_equal(made["jpn"].mfcc, made[None].mfcc)
    assert np.abs(made["eng"].mfcc - made["jpn"].mfcc).max() > 10
    expected = _librosa_mfcc(path, 0, 3, stream="eng")
    np.testing.assert_allclose(
        made["eng"].mfcc[:, : expected.shape[1]], expected, rtol=0, atol=1e-3
    )
    with pytest.raises(MediaError, match="fra"):
        extract(path, "start", FeatureSettings(window=3, audio="fra"))


def test_a_file_cut_short_gives_what_there_is_and_a_note(tmp_path):
    path = truncate(make_media(tmp_path / "01.mp4", duration=10, **SMALL))
    features = extract(path, "start", THREE)
    assert _barcodes(features) == [0, 8, 16]
    assert any("cut short" in note for note in features.notes)
    assert extract(path, "end", THREE).start < 6.5


def test_damage_in_the_middle_does_not_lose_the_window(tmp_path):
    path = corrupt(make_media(tmp_path / "01.ts", duration=10, **SMALL))
    features = extract(path, "start", FeatureSettings(window=10.0, text_engine="none"))
    assert features.frames[0].any()
    assert features.frames[9].any()


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>" * 100])
def test_what_is_no_media_is_an_error_that_names_it(content, tmp_path):
    path = tmp_path / "01.mkv"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"01\.mkv"):
        extract(path, "start", THREE)
