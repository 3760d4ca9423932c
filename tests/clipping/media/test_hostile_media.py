"""Files that promise or hide more than a machine holds are refused, or read within bounds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from making.fuzzing import Reading, watch
from making.hostile import (
    PICTURE,
    SECOND,
    SMALLEST_TRACK,
    attachments,
    chapters,
    cluster,
    h264_that_grows,
    jpeg_that_grows,
    matroska,
    mp4,
    picture_track,
    plain_clusters,
    sound_track,
    tags,
    tiny_packets,
    vp8_that_grows,
    wave,
)
from making.media import make_media
from making.windows import make_features

from clipping.errors import FeatureError, MediaError
from clipping.many.processes import Local
from clipping.many.run_many import run_many
from clipping.media.frames import frames_at
from clipping.media.probe import probe
from clipping.media.sound import read_audio
from preprocess import FeatureSettings, PreprocessConfig, extract, load, preprocess
from preprocess.batch.command import main
from preprocess.episode import extract_episode
from preprocess.features import save
from preprocess.text.words import save_words, words_match

MB = 1 << 20
LIMIT_S = 120.0
"""Wall seconds after which a file counts as one that hangs."""
SMALL_BYTES = 250 * MB
"""Enough for reading small pictures: the process alone is about 65 MB before and 90 MB after."""
LARGE_BYTES = 1500 * MB
"""Enough for the largest pictures that are taken: 8192x8192, of which a decoder keeps several."""
WINDOW = FeatureSettings(window=2.0, text_engine="none")

READ = None
NO_FRAME = "no frame of its video can be decoded"
NO_LENGTH = "has no length"
NO_MEDIA = "is no media file, or its header is damaged"
NO_SOUND = "nothing of its sound can be decoded"
MANY_STREAMS = "has more than 1000 streams"


def blocks(times, before=()) -> list[bytes]:
    """A picture and a second of sound at each of the times, in ms, after other clusters."""
    return [*before, *(cluster(time, (1, 0, PICTURE), (2, 0, SECOND)) for time in times)]


def shown(width: int, height: int) -> list[bytes]:
    return [picture_track(shown=(width, height)), sound_track()]


def sized(width: int, height: int) -> list[bytes]:
    return [picture_track(size=(width, height)), sound_track()]


def pitched(rate: float, channels: int = 1) -> list[bytes]:
    return [picture_track(), sound_track(rate=rate, channels=channels)]


ENDLESS = 2**63 - 1
NUMBER = 2**32 - 1
Case = tuple[str, Callable[[Path], object], str | None]
CASES: dict[str, Case] = {
    "nothing is wrong": ("a.mkv", matroska, READ),
    # pictures
    "a header of 65535x65535": ("a.mkv", lambda p: matroska(p, tracks=sized(65535, 65535)), ""),
    "more pixels than bytes": ("a.mkv", lambda p: matroska(p, tracks=sized(8192, 8192)), NO_FRAME),
    "shown 2^31 wide": ("a.mkv", lambda p: matroska(p, tracks=shown(2**31 - 1, 1)), READ),
    "shown 2^31 high": ("a.mkv", lambda p: matroska(p, tracks=shown(1, 2**31 - 1)), READ),
    "JPEG of 65500x65500": ("a.avi", lambda p: jpeg_that_grows(p, (65500, 65500), 0), NO_FRAME),
    "JPEG that grows": ("a.mov", lambda p: jpeg_that_grows(p, (65500, 65500), 5), READ),
    "JPEG that grows to 16384x8192": (
        "a.mov",
        lambda p: jpeg_that_grows(p, (16384, 8192), 1),
        READ,
    ),
    "VP8 of 16383x16383": ("a.webm", lambda p: vp8_that_grows(p, (16383, 16383), 0), NO_FRAME),
    "VP8 that grows": ("a.webm", lambda p: vp8_that_grows(p, (16383, 16383), 1), READ),
    "H.264 of 16384x16384": ("a.h264", lambda p: h264_that_grows(p, (16384, 16384), 0), ""),
    "H.264 that grows": ("a.h264", lambda p: h264_that_grows(p, (16384, 8192), 1), "larger than"),
    # sound
    "4294967295 Hz": ("a.wav", lambda p: wave(p, rate=NUMBER), NO_MEDIA),
    "0 Hz": ("a.wav", lambda p: wave(p, rate=0), NO_MEDIA),
    "1 Hz": ("a.wav", lambda p: wave(p, rate=1), READ),
    "65535 channels": ("a.wav", lambda p: wave(p, channels=65535), ""),
    "64 channels of 768 kHz": ("a.wav", lambda p: wave(p, rate=768_000, channels=64), READ),
    "4 GB in a file of 16 KB": ("a.wav", lambda p: wave(p, claimed=NUMBER), READ),
    "1e300 Hz": ("a.mkv", lambda p: matroska(p, tracks=pitched(1e300)), READ),
    "nan Hz": ("a.mkv", lambda p: matroska(p, tracks=pitched(float("nan"))), READ),
    "2^60 channels": (
        "a.mkv",
        lambda p: matroska(p, tracks=pitched(8000.0, 2**60)),
        "cannot be opened",
    ),
    "packets of 2^24 samples": (
        "a.m4a",
        lambda p: mp4(p, "alac", 4, 2**24, video_codec=None, audio_codec="alac"),
        READ,
    ),
    # tables
    "a million streams": (
        "a.mkv",
        lambda p: matroska(p, tracks=[picture_track(), SMALLEST_TRACK * 1_000_000]),
        MANY_STREAMS,
    ),
    "900 streams of pictures": (
        "a.mkv",
        lambda p: matroska(p, tracks=[picture_track(k + 1) for k in range(900)]),
        READ,
    ),
    "100 000 attachments": (
        "a.mkv",
        lambda p: matroska(p, more=attachments(100_000)),
        MANY_STREAMS,
    ),
    "10 000 chapters": ("a.mkv", lambda p: matroska(p, more=chapters(10_000)), READ),
    "5 000 tags": ("a.mkv", lambda p: matroska(p, more=tags(5_000)), READ),
    "2^27 samples of a byte": ("a.mp4", lambda p: mp4(p, "stsz", 4, 1, 2**27), ""),
    "2^30 sizes of samples": ("a.mp4", lambda p: mp4(p, "stsz", 4, 0, 2**30), NO_MEDIA),
    "2^32 times of samples": ("a.mp4", lambda p: mp4(p, "stts", 8, NUMBER, 1), READ),
    "2^31 samples in a chunk": ("a.mp4", lambda p: mp4(p, "stsc", 12, 2**31 - 1), ""),
    # durations and timestamps
    "1e18 ms": ("a.mkv", lambda p: matroska(p, duration=1e18), READ),
    "1e300 ms": ("a.mkv", lambda p: matroska(p, duration=1e300), READ),
    "an endless file": ("a.mkv", lambda p: matroska(p, duration=float("inf")), READ),
    "nan ms": ("a.mkv", lambda p: matroska(p, duration=float("nan")), READ),
    "-1e15 ms": ("a.mkv", lambda p: matroska(p, duration=-1e15), READ),
    "ticks of 146 years": ("a.mkv", lambda p: matroska(p, scale=2**62), NO_MEDIA),
    "ticks of no length": ("a.mkv", lambda p: matroska(p, scale=0), READ),
    "a film of 2^64 ticks": ("a.mp4", lambda p: mp4(p, "mvhd", 12, NUMBER, NUMBER), READ),
    "a track of 2^32 ticks": ("a.mp4", lambda p: mp4(p, "mdhd", 12, 1, NUMBER), READ),
    "2^32 ticks a second": ("a.mp4", lambda p: mp4(p, "mdhd", 12, NUMBER, 1), READ),
    "samples of 2^31 ticks": ("a.mp4", lambda p: mp4(p, "stts", 12, 2**31 - 1), READ),
    "a jump of 35 years": (
        "a.mkv",
        lambda p: matroska(p, clusters=blocks([2**40], plain_clusters())),
        READ,
    ),
    "a jump to the end of time": (
        "a.mkv",
        lambda p: matroska(p, clusters=blocks([ENDLESS], plain_clusters())),
        READ,
    ),
    "a beginning near the end of time": (
        "a.mkv",
        lambda p: matroska(p, clusters=blocks(range(ENDLESS - 40_000, ENDLESS - 36_000, 1000))),
        READ,
    ),
    "a beginning long before time": (
        "a.mkv",
        lambda p: matroska(p, clusters=blocks(range(-(2**62), 3000 - 2**62, 1000))),
        NO_LENGTH,
    ),
    "back in time": (
        "a.mkv",
        lambda p: matroska(p, clusters=blocks(range(10**6, 7 * 10**5, -1000)), duration=None),
        NO_LENGTH,
    ),
    "a picture an hour for a year": (
        "a.mkv",
        lambda p: matroska(p, clusters=blocks(range(0, 31 * 10**9, 3_599_000)), duration=None),
        READ,
    ),
}
LARGE: dict[str, Case] = {
    "H.264 of 8192x8192": ("a.h264", lambda p: h264_that_grows(p, (8192, 8192), 0), NO_LENGTH),
    "VP8 of 8192x8192": ("a.webm", lambda p: vp8_that_grows(p, (8192, 8192), 0), READ),
}


def read_everything(path: Path) -> None:
    """Pictures at the beginning, in the middle, at the end and far behind it; sound; features."""
    info = probe(path)
    if info.video is not None:
        times = {0.0, 0.3, 1.1, 15.0, info.duration / 2, max(0.0, info.duration - 0.5)}
        for frame in frames_at(path, sorted(times)):
            if frame is not None:
                frame.rgb()
    if info.audio:
        read_audio(path, end=2.0)
        read_audio(path, start=info.duration / 2, end=info.duration / 2 + 1)
    extract(path, "start", WINDOW)
    extract(path, "end", WINDOW)
    if info.duration < 60:
        extract_episode(path, path.with_name(f"{path.name}.episode"), WINDOW)


def watched(path: Path) -> Reading:
    return watch(path, read_everything)


def readings(cases: dict[str, Case], folder: Path) -> dict[str, Reading]:
    """The result of each case; one process pool reads all files."""
    paths = {}
    for number, (story, (name, make, _)) in enumerate(cases.items()):
        path = folder / f"{number}-{name}"
        make(path)
        paths[path] = story
    outcomes = run_many(watched, paths, engine=Local(1), limit_s=LIMIT_S)
    return {paths[each.item]: each.result or each.error for each in outcomes}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> dict[str, Reading]:
    return readings(CASES, tmp_path_factory.mktemp("hostile"))


@pytest.mark.parametrize("story", CASES)
def test_it_is_refused_or_read_in_little_memory(story, small):
    reading, expected = small[story], CASES[story][2]
    assert isinstance(reading, Reading), reading
    assert reading.wrong is None
    assert reading.peak_bytes < SMALL_BYTES
    if expected is READ:
        assert reading.refused is None
    else:
        assert reading.refused is not None
        assert expected in reading.refused


@pytest.mark.slow
def test_the_largest_pictures_take_bounded_memory(tmp_path):
    for story, reading in readings(LARGE, tmp_path).items():
        assert isinstance(reading, Reading), reading
        assert reading.wrong is None, story
        assert (reading.refused is None) == (LARGE[story][2] is READ), reading.refused
        assert reading.peak_bytes < LARGE_BYTES, story


def pictures_of(path: Path) -> Reading:
    return watch(path, lambda file: list(frames_at(file, [0.0, 4.5])))


def test_many_tiny_packets_are_not_all_kept(tmp_path):
    """They took 231 MB when only a packet's content (one byte) was counted."""
    path = tiny_packets(tmp_path / "a.mkv", 150_000)
    (outcome,) = run_many(pictures_of, [path], engine=Local(1), limit_s=LIMIT_S)
    reading = outcome.result
    assert reading.wrong is None
    assert reading.peak_bytes < 200 * MB


def test_a_file_of_a_year_is_no_episode(tmp_path):
    _, make, _ = CASES["a picture an hour for a year"]
    with pytest.raises(MediaError, match=r"a\.mkv: lasts \d+ s, above 43200 s"):
        extract_episode(make(tmp_path / "a.mkv"), tmp_path / "a.episode", WINDOW)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


def test_an_absurd_aspect_counts_as_square(tmp_path):
    path = matroska(tmp_path / "a.mkv", tracks=shown(2**31 - 1, 1))
    assert probe(path).video.display_size == (16, 16)
    assert next(frames_at(path, [1.0])).rgb().shape == (16, 16, 3)
    usual = matroska(tmp_path / "b.mkv", tracks=shown(32, 16))
    assert probe(usual).video.display_size == (32, 16)


def test_a_batch_goes_on_behind_hostile_files(tmp_path, capsys):
    videos = tmp_path / "videos"
    videos.mkdir()
    matroska(videos / "streams.mkv", tracks=[picture_track(), SMALLEST_TRACK * 2000])
    jpeg_that_grows(videos / "first.mov", (65500, 65500), 0)
    matroska(videos / "before time.mkv", clusters=blocks([-(2**62)]))
    make_media(videos / "good.mkv", duration=3, size=(160, 90), rate=4)
    words = ["--features.window", "2", "--features.text_engine", "none", "--workers", "2"]
    assert main([str(videos), "-o", str(tmp_path / "out"), *words]) == 1
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    told = {(w["name"], w["side"]): w["error"] for w in report["windows"]}
    assert len(told) == 8
    for side in ("start", "end"):
        assert told["good", side] is None
        assert MANY_STREAMS in told["streams", side]
        assert NO_FRAME in told["first", side]
        assert NO_LENGTH in told["before time", side]
    assert "2 made, 0 up to date, 6 failed" in capsys.readouterr().out


def test_a_table_that_takes_minutes_to_read_ends_with_the_limit(tmp_path):
    """FFmpeg compares each tag with all before it: 200 000 of them take minutes of C code."""
    video = matroska(tmp_path / "tags.mkv", more=tags(200_000))
    once = {"workers": 1, "tries": 1, "file_limit": 3.0}
    config = PreprocessConfig(
        (str(video),), tmp_path / "out", sides="start", features=WINDOW, **once
    )
    (outcome,) = preprocess(config)
    assert outcome.status == "failed"
    assert "took longer than 3 s and was ended" in outcome.error
    assert list((tmp_path / "out").rglob("*.safetensors")) == []


@pytest.mark.parametrize("value", ["1" + "0" * 400, "[" * 5000, "1e999", "-1", "null", '"x"'])
def test_a_feature_file_with_absurd_metadata_is_refused(value, tmp_path):
    path = tmp_path / "a_start.safetensors"
    features = make_features("a", "start", 60.0)
    save(features, path)
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].replace(b'\\"start\\": 0.0', f'\\"start\\": {value}'.encode())
    if value == '"x"':
        header = header.replace(b': "x"', b': \\"x\\"')
    assert header.rstrip() != data[8 : 8 + length].rstrip()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])
    with pytest.raises(FeatureError, match=r"a_start\.safetensors: not a feature file"):
        load(path)


def load_all(path: Path) -> Reading:
    return watch(path, load)


def test_a_feature_file_that_claims_the_largest_window_takes_no_memory(tmp_path):
    path = tmp_path / "a_start.safetensors"
    save(make_features("a", "start", 60.0), path)
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    about = json.loads(header["__metadata__"]["about"])
    about["settings"] |= {"window": 3600.0, "frame_height": 1024, "frame_width": 1024}
    header["__metadata__"]["about"] = json.dumps(about)
    text = json.dumps(header).encode()
    arrays = data[8 + int.from_bytes(data[:8], "little") :]
    path.write_bytes(len(text).to_bytes(8, "little") + text + arrays)
    (outcome,) = run_many(load_all, [path], engine=Local(1), limit_s=LIMIT_S)
    reading = outcome.result
    assert reading.wrong is None
    assert "a_start.safetensors: not a feature file" in reading.refused
    assert reading.peak_bytes < SMALL_BYTES


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"[]", b"null"])
def test_a_words_file_of_anything_else_is_made_again(content, tmp_path):
    features, path = make_features("a", "start", 60.0), tmp_path / "a_start.text.json"
    save_words(path, [], features, ["en"])
    assert words_match(path, features, ["en"])
    path.write_bytes(content)
    assert not words_match(path, features, ["en"])
