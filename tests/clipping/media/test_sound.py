"""read_audio gives the samples of any span, in the right place, whatever the file."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soxr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from making.media import corrupt, make_media, read_barcode, read_clicks, truncate

from clipping.errors import MediaError
from clipping.media.frames import frames_at
from clipping.media.probe import probe
from clipping.media.sound import read_audio

RATE = 22050
EXACT = 0.0001
ONE_TICK = 0.0011
"""Matroska and FLV keep timestamps in whole milliseconds."""
UNTOLD = 0.030
"""Seconds of encoder delay that MPEG-TS, AVI and FLV have no field for; no reader can know it."""

AUDIO = {"video_codec": None}
OPUS = {"audio_codec": "libopus", "audio_rate": 48000}
VIDEO = {"size": (160, 96)}
FILES = {
    "aac.m4a": (EXACT, AUDIO),
    "pcm.wav": (EXACT, {**AUDIO, "audio_codec": "pcm_s16le"}),
    "pcm 8 bit.wav": (EXACT, {**AUDIO, "audio_codec": "pcm_u8", "audio_rate": 8000}),
    "pcm float.wav": (EXACT, {**AUDIO, "audio_codec": "pcm_f32le", "layout": "mono"}),
    "flac.flac": (EXACT, {**AUDIO, "audio_codec": "flac"}),
    "mp3.mp3": (EXACT, {**AUDIO, "audio_codec": "libmp3lame"}),
    "opus.ogg": (EXACT, {**AUDIO, **OPUS}),
    "aac.mp4": (EXACT, VIDEO),
    "aac.mkv": (ONE_TICK, VIDEO),
    "opus.mkv": (ONE_TICK, {**VIDEO, **OPUS}),
    "opus.webm": (ONE_TICK, {**VIDEO, **OPUS, "video_codec": "libvpx-vp9"}),
    "surround.mkv": (ONE_TICK, {**VIDEO, "layout": "5.1"}),
    "starts at 5.mp4": (ONE_TICK, {**VIDEO, "start": 5.0}),
    "starts at 5.mkv": (ONE_TICK, {**VIDEO, "start": 5.0}),
    "edit list.mp4": (EXACT, {**VIDEO, "start": -0.5}),
    "late sound.mp4": (ONE_TICK, {**VIDEO, "audio_start": 0.7}),
    "late sound.mkv": (ONE_TICK, {**VIDEO, "audio_start": 0.7}),
    "aac.ts": (UNTOLD, VIDEO),
    "starts at 5.ts": (UNTOLD, {**VIDEO, "start": 5.0}),
    "surround ac3.ts": (
        UNTOLD,
        {**VIDEO, "audio_codec": "ac3", "audio_rate": 48000, "layout": "5.1", "bit_rate": 10**6},
    ),
    "mp3.avi": (UNTOLD, {**VIDEO, "video_codec": "mpeg4", "audio_codec": "libmp3lame"}),
    "mp3.flv": (UNTOLD, {**VIDEO, "audio_codec": "libmp3lame"}),
}


@functools.cache
def folder() -> Path:
    """One folder for the files that several tests read; it goes with the process."""
    folder.keep = tempfile.TemporaryDirectory(prefix="avtnet-sound-")
    return Path(folder.keep.name)


@functools.cache
def file(name: str) -> Path:
    return make_media(folder() / name, duration=5.5, **FILES[name][1])


@functools.cache
def whole(name: str, rate: int = RATE) -> np.ndarray:
    return read_audio(file(name), rate=rate)


@functools.cache
def noise() -> Path:
    """Five seconds of stereo noise as 44.1 kHz PCM: any slip of a sample shows."""
    rng = np.random.default_rng(0)
    return make_media(
        folder() / "noise.wav",
        duration=5.0,
        video_codec=None,
        audio_codec="pcm_s16le",
        sound=lambda times, _: rng.uniform(-0.9, 0.9, len(times)),
    )


@functools.cache
def noise_samples() -> np.ndarray:
    """The same, (frames, channels), read by SciPy."""
    from scipy.io import wavfile

    rate, samples = wavfile.read(noise())
    assert rate == 44100
    return samples.astype(np.float32) / 32768


def write_pcm(path: Path, pieces: Sequence[tuple[float, np.ndarray]], rate: int = 8000) -> Path:
    """Matroska with 16-bit mono sound whose pieces begin at the given times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        for begin, samples in pieces:
            block = (samples * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(block, "s16", "mono")
            frame.rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(begin * rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", [n for n in FILES if FILES[n][1].get("video_codec", "x")])
def test_sound_and_picture_tell_the_same_time(name: str) -> None:
    tolerance, options = FILES[name]
    clicks = read_clicks(whole(name), RATE)[:4]
    # Half a frame after the click, the number is right if the drift is below half a frame.
    frames = list(frames_at(file(name), [click.at + 1 / 48 for click in clicks]))
    for frame, click in zip(frames, clicks, strict=True):
        assert frame is not None
        drift = read_barcode(frame.rgb()) / 24 - click.second - options.get("audio_start", 0.0)
        assert abs(drift) <= (1.01 / 24 if tolerance == UNTOLD else 0.5 / 24)


@pytest.mark.parametrize("name", FILES)
class TestEveryFile:
    """The contract, for each codec and container."""

    def test_clicks_fall_on_whole_seconds(self, name: str) -> None:
        tolerance, options = FILES[name]
        begin = options.get("audio_start", min(0.0, options.get("start", 0.0)))
        early = 0.024 if name == "starts at 5.mp4" else 0.0  # its priming is before the picture
        for click in read_clicks(whole(name), RATE):
            assert click.at == pytest.approx(click.second + begin + early, abs=tolerance)

    def test_a_window_is_the_same_span_of_the_whole(self, name: str) -> None:
        tolerance = min(FILES[name][0], ONE_TICK)
        for start, end in ((0.25, 2.0), (2.6, 4.4), (3.7731, 5.2)):
            window = read_audio(file(name), rate=RATE, start=start, end=end)
            assert len(window) == round((end - start) * RATE)
            heard = [click.at + start for click in read_clicks(window, RATE)]
            wanted = [
                click.at
                for click in read_clicks(whole(name), RATE)
                if start <= click.at - 0.0002 and click.at < end - 0.35
            ]
            assert len(wanted) >= 1
            assert heard == pytest.approx(wanted, abs=tolerance)


class TestSamples:
    """Sample by sample, on lossless noise."""

    def test_mono_is_the_mean_of_the_channels(self) -> None:
        got = read_audio(noise(), rate=44100)
        np.testing.assert_allclose(got, noise_samples().mean(axis=1), atol=1e-6)

    @pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
    def test_resampling_equals_soxr_on_the_window(self, rate: int) -> None:
        first, last = round(1.7 * 44100), round(3.2 * 44100)
        wanted = soxr.resample(noise_samples()[first:last].mean(axis=1), 44100, rate, "HQ")
        got = read_audio(noise(), rate=rate, start=1.7, end=3.2)
        np.testing.assert_allclose(got, wanted[: len(got)], atol=1e-6)

    @settings(max_examples=25, deadline=None)
    @given(st.floats(0, 6), st.floats(0, 6))
    def test_any_span_has_exactly_its_samples(self, one: float, other: float) -> None:
        start, end = sorted((one, other))
        # Half-way between two samples (0.085 s) both are the nearest one.
        assume(abs(start * 44100 % 1 - 0.5) > 1e-6)
        got = read_audio(noise(), rate=44100, start=start, end=end)
        assert got.dtype == np.float32
        assert got.shape == (round((end - start) * 44100),)
        first = round(start * 44100)
        wanted = noise_samples().mean(axis=1)[first : first + len(got)]
        np.testing.assert_allclose(got[: len(wanted)], wanted, atol=1e-6)
        assert not got[len(wanted) :].any()

    def test_surround_is_the_mean_of_six(self, tmp_path: Path) -> None:
        options = {"video_codec": None, "audio_codec": "pcm_s16le", "duration": 1.0}
        six = read_audio(make_media(tmp_path / "6.wav", layout="5.1", **options), rate=44100)
        one = read_audio(make_media(tmp_path / "1.wav", layout="mono", **options), rate=44100)
        gain = np.mean([1 / (1 + 0.25 * channel) for channel in range(6)])
        np.testing.assert_allclose(six, one * gain, atol=1e-4)

    def test_eight_bits_are_centred(self, tmp_path: Path) -> None:
        options = {"video_codec": None, "audio_codec": "pcm_u8", "layout": "mono"}
        path = make_media(tmp_path / "8.wav", duration=1.0, **options)
        got = read_audio(path, rate=44100)
        assert got.max() == pytest.approx(0.8, abs=0.02)
        assert abs(got.mean()) < 0.01

    def test_a_gap_is_silence_and_what_follows_is_in_place(self, tmp_path: Path) -> None:
        one = np.full(8000, 0.5)
        path = write_pcm(tmp_path / "gap.mkv", [(0.0, one), (1.5, one)])
        got = read_audio(path, rate=8000)
        assert got.shape == (20000,)
        np.testing.assert_allclose(got[:8000], 0.5, atol=1e-3)
        np.testing.assert_array_equal(got[8000:12000], 0)
        np.testing.assert_allclose(got[12000:], 0.5, atol=1e-3)

    def test_what_overlaps_is_cut(self, tmp_path: Path) -> None:
        pieces = [(0.0, np.full(8000, 0.5)), (0.75, np.full(8000, 0.25))]
        got = read_audio(write_pcm(tmp_path / "overlap.mkv", pieces), rate=8000)
        assert got.shape == (14000,)
        np.testing.assert_allclose(got[:8000], 0.5, atol=1e-3)
        np.testing.assert_allclose(got[8000:], 0.25, atol=1e-3)

    def test_jittered_timestamps_neither_cut_nor_fill(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        samples = rng.uniform(-0.5, 0.5, 16000)
        pieces = [
            (index / 8000 + rng.uniform(-0.005, 0.005) * (index > 0), samples[index : index + 160])
            for index in range(0, 16000, 160)
        ]
        got = read_audio(write_pcm(tmp_path / "jitter.mkv", pieces), rate=8000)
        # Placed by the mean of the timestamps: within 1 ms of where they were before they jittered.
        early = len(samples) - len(got)
        assert abs(early) <= 8
        np.testing.assert_allclose(got[max(0, -early) :], samples[max(0, early) :], atol=1e-3)

    def test_zeros_before_the_sound_starts(self) -> None:
        begin = round(0.69 * RATE)
        assert np.abs(whole("late sound.mkv")[:begin]).max() < 1e-6  # soxr's ringing
        assert np.abs(whole("late sound.mkv")[begin : begin + 1000]).max() > 0.1

    def test_a_span_after_the_end_is_silent(self) -> None:
        assert not read_audio(file("aac.mp4"), start=50.0, end=51.0).any()
        assert read_audio(file("aac.mp4"), start=50.0).size == 0


@functools.cache
def two_languages() -> Path:
    return make_media(folder() / "two.mkv", duration=1.5, languages=("jpn", "eng"), **VIDEO)


@pytest.mark.parametrize(("wanted", "track"), [(None, 0), ("jpn", 0), ("eng", 1), (1, 0), (2, 1)])
def test_a_stream_is_chosen_by_language_or_index(wanted: int | str | None, track: int) -> None:
    clicks = read_clicks(read_audio(two_languages(), stream=wanted), RATE)
    assert {click.track for click in clicks} == {track}


@pytest.mark.parametrize("wanted", ["deu", 0, 7])
def test_a_stream_that_is_not_there(wanted: int | str) -> None:
    with pytest.raises(MediaError, match=r"no sound stream .*; it has 1 \(jpn\), 2 \(eng\)"):
        read_audio(two_languages(), stream=wanted)


def test_no_sound_at_all(tmp_path: Path) -> None:
    path = make_media(tmp_path / "v.mp4", duration=1.0, audio_codec=None, **VIDEO)
    with pytest.raises(MediaError, match=r"v\.mp4: has no sound"):
        read_audio(path)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_truncated_sound_is_padded(tmp_path: Path, suffix: str) -> None:
    path = truncate(make_media(tmp_path / f"t.{suffix}", duration=4.0))
    samples = read_audio(path, start=1.0, end=4.0)
    assert samples.shape == (3 * RATE,)
    assert np.abs(samples[: RATE // 2]).max() > 0.1
    assert not samples[2 * RATE :].any()


@pytest.mark.parametrize("name", ["d.mp4", "d.mkv", "d.ts"])
def test_sound_after_damage_is_in_place(tmp_path: Path, name: str) -> None:
    path = corrupt(make_media(tmp_path / name, duration=5.0, **VIDEO), 0.4, 0.45)
    later = [click for click in read_clicks(read_audio(path), RATE) if click.at > 3.5]
    assert [round(click.at) for click in later] == [click.second for click in later] == [4]
    assert later[0].at == pytest.approx(4, abs=UNTOLD)


def test_a_timestamp_days_ahead_is_damage(tmp_path: Path) -> None:
    one = np.full(800, 0.5)
    path = write_pcm(tmp_path / "days.mkv", [(0.0, one), (3 * 86400.0, one)])
    assert read_audio(path, rate=8000) == pytest.approx(np.full(800, 0.5), abs=1e-3)
    assert probe(path).duration == pytest.approx(0.1, abs=0.01)


def test_more_sound_than_memory_is_refused(tmp_path: Path) -> None:
    one = np.full(800, 0.5)
    path = write_pcm(tmp_path / "long.mkv", [(hour * 3600.0, one) for hour in range(14)])
    with pytest.raises(MediaError, match=r"long\.mkv: has over 43200 s of sound; give start"):
        read_audio(path, rate=8000)
    assert read_audio(path, start=46800.0, end=46800.1).any()


def test_eight_channels_are_eight(tmp_path: Path) -> None:
    path = make_media(tmp_path / "8.mkv", duration=2.0, video_codec=None, layout="7.1")
    clicks = read_clicks(read_audio(path), RATE)
    assert [round(click.at, 3) for click in clicks] == [0, 1]


@pytest.mark.parametrize(
    "wrong", [{"rate": 0}, {"start": -1.0}, {"start": 2.0, "end": 1.0}, {"end": float("nan")}]
)
def test_spans_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        read_audio(file("pcm.wav"), **wrong)
