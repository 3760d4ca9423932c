"""One reading of a file gives the frames of frames_at and the samples of read_audio."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from making.media import make_media
from test_decode_needed import pictures
from test_frames import FILES, LONG, long_file, short_file

from clipping.errors import MediaError
from clipping.media import container, one_pass
from clipping.media.frames import frames_at
from clipping.media.one_pass import open_one_pass
from clipping.media.probe import probe
from clipping.media.sound import read_audio


def compare(path: Path, first: float, last: float) -> None:
    """Assert that a region's frames and samples equal those of frames_at and read_audio."""
    times = [first + second for second in range(int(last - first))]
    with open_one_pass(path, threads=1) as opened:
        read(opened, times, last)


def read(opened: one_pass.OnePass, times: list[float], last: float) -> None:
    seconds = list(opened.seconds(times, end=last))
    if probe(opened.path).video:
        assert pictures(f for f, _ in seconds) == pictures(frames_at(opened.path, times, threads=1))
    else:
        assert {frame for frame, _ in seconds} == {None}
    samples = np.concatenate([block for _, block in seconds])
    expected = np.zeros(0, np.float32)
    if probe(opened.path).audio:
        expected = read_audio(opened.path, start=times[0], end=last)
    assert np.array_equal(samples, expected[: len(samples)])
    assert not expected[len(samples) :].any()


@pytest.fixture
def counted(monkeypatch) -> list[str]:
    """The files that were opened, in order."""
    opened = []
    real = av.open
    monkeypatch.setattr(
        container.av,
        "open",
        lambda file, *args, **more: opened.append(file) or real(file, *args, **more),
    )
    return opened


@pytest.mark.parametrize("name", FILES)
def test_every_codec_and_container(name: str) -> None:
    compare(short_file(name), 0.0, 2.0)


@pytest.mark.parametrize("name", LONG)
def test_regions_one_after_another(name: str) -> None:
    path = long_file(name)
    with open_one_pass(path, threads=1) as opened:
        read(opened, [float(second) for second in range(20)], 20.0)
        assert opened.info == probe(path)
        read(opened, [12.3 + second for second in range(20)], 32.3)
        read(opened, [4.5, 5.0, 9.0], 9.75)


def test_a_region_is_one_pass_over_one_opened_file(counted: list[str]) -> None:
    path = long_file("h264.mp4")
    counted.clear()
    with open_one_pass(path) as opened:
        list(opened.seconds([0.0, 1.0, 2.0], end=3.0))
        assert opened.info.duration == pytest.approx(36.0, abs=0.1)
    assert len(counted) == 1
    with open_one_pass(path) as opened:
        first = opened.info.duration - 16
        list(opened.seconds([first + second for second in range(16)], end=first + 16))
    assert len(counted) == 2


def test_each_second_has_its_own_samples() -> None:
    with open_one_pass(long_file("h264.mp4")) as opened:
        blocks = [block for _, block in opened.seconds([3.0, 4.0, 4.5, 6.0], end=6.25, rate=8000)]
    assert [len(block) for block in blocks] == [8000, 4000, 12000, 2000]


def test_sound_that_ends_before_the_picture_and_the_reverse(tmp_path: Path) -> None:
    long = make_media(tmp_path / "p.mkv", duration=14.0, size=(160, 96), audio_codec=None)
    short = make_media(tmp_path / "s.m4a", duration=5.0, video_codec=None)
    for first, second in ((long, short), (short, long)):
        path = join(tmp_path / "joined.mkv", first, second)
        compare(path, 0.0, 14.0)
        compare(path, 10.5, 14.0)
    silent_end = make_media(tmp_path / "long.m4a", duration=14.0, video_codec=None)
    brief = make_media(tmp_path / "b.mkv", duration=4.0, size=(160, 96), audio_codec=None)
    compare(join(tmp_path / "brief.mkv", brief, silent_end), 0.0, 14.0)


def join(target: Path, *sources: Path) -> Path:
    """Write all packets of the first file before all of the second: the worst interleaving."""
    with av.open(str(target), "w", options={"max_interleave_delta": "1"}) as new:
        opened = [av.open(str(source)) for source in sources]
        streams = [new.add_stream_from_template(file.streams[0]) for file in opened]
        for file, stream in zip(opened, streams, strict=True):
            for packet in file.demux(file.streams[0]):
                if packet.size:
                    packet.stream = stream
                    new.mux(packet)
            file.close()
    return target


@pytest.mark.parametrize("order", [1, -1])
def test_streams_that_lie_far_apart_in_the_file(order: int, tmp_path: Path, monkeypatch) -> None:
    """Too many packets would wait for the other stream, so each stream is read by itself."""
    monkeypatch.setattr(one_pass, "_MAX_QUEUED_BYTES", 20_000)
    video = make_media(tmp_path / "v.mkv", duration=14.0, size=(160, 96), audio_codec=None)
    sound = make_media(tmp_path / "a.m4a", duration=14.0, video_codec=None)
    path = join(tmp_path / "apart.mkv", *(video, sound)[::order])
    compare(path, 0.0, 14.0)
    compare(path, 10.5, 14.0)


def test_one_stream_alone(tmp_path: Path) -> None:
    compare(make_media(tmp_path / "s.m4a", duration=14.0, video_codec=None), 11.5, 14.0)
    compare(short_file("no sound.mp4"), 0.0, 2.0)


def test_languages(tmp_path: Path) -> None:
    path = make_media(tmp_path / "two.mkv", duration=3.0, languages=("eng", "jpn"))
    with open_one_pass(path) as opened:
        for language in ("jpn", "eng"):
            seconds = opened.seconds([0.0, 1.0, 2.0], end=3.0, audio=language)
            samples = np.concatenate([block for _, block in seconds])
            assert np.array_equal(
                samples, read_audio(path, end=3.0, stream=language)[: len(samples)]
            )
        with pytest.raises(MediaError, match="no sound stream 'fre'"):
            next(opened.seconds([0.0], end=1.0, audio="fre"))
