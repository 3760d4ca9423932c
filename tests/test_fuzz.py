"""Damaged files are read or refused; nothing else happens, whatever the damage."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from making.fuzzing import Damaged, findings
from making.media import make_media
from making.windows import make_features

from clipping.errors import MediaError
from clipping.media.frames import frames_at
from clipping.media.probe import probe
from clipping.media.sound import read_audio
from preprocess import FeatureSettings, extract, load
from preprocess.episode import extract_episode, open_episode
from preprocess.features import save

FEW, MANY = 20, 1000
"""Damaged files of each source: in CI, and with ``-m slow``."""

SMALL = {"duration": 1.2, "size": (80, 64), "rate": 10, "gop": 5, "bit_rate": 60_000}
MEDIA = {
    "h264.mkv": {},
    "h264.mp4": {"b_frames": 1},
    "hevc.mov": {"video_codec": "libx265", "audio_codec": "alac"},
    "vp9.webm": {"video_codec": "libvpx-vp9", "audio_codec": "libopus", "audio_rate": 48000},
    "mpeg2.ts": {"video_codec": "mpeg2video", "audio_codec": "mp2", "rate": 25},
    "mpeg4.avi": {"video_codec": "mpeg4", "audio_codec": "libmp3lame"},
    "mjpeg.mov": {"video_codec": "mjpeg", "pixel_format": "yuvj420p", "audio_codec": "pcm_s16le"},
    "ffv1.mkv": {"video_codec": "ffv1", "audio_codec": "flac"},
    "opus.ogg": {"video_codec": None, "audio_codec": "libopus", "audio_rate": 48000},
    "sound.wav": {"video_codec": None, "audio_codec": "pcm_s16le"},
    "sound.flac": {"video_codec": None, "audio_codec": "flac"},
    "av1.mp4": {"video_codec": "libsvtav1"},
}
WINDOW = FeatureSettings(window=2.0, text_engine="none")


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("sources")
    return [make_media(folder / name, **{**SMALL, **given}) for name, given in MEDIA.items()]


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("sources")
    paths = []
    for side in ("start", "end"):
        paths.append(folder / f"ep_{side}.safetensors")
        save(make_features("ep", side, 60.0), paths[-1])
    return paths


@pytest.fixture(scope="module")
def episodes(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("sources")
    media = make_media(folder / "ep.mkv", **SMALL)
    extract_episode(media, folder / "ep.episode", WINDOW)
    return [folder / "ep.episode"]


def read_media(path: Path) -> None:
    """All that preprocessing asks of a file, and what lies beyond its end."""
    info = probe(path)
    if info.video is not None:
        times = sorted({0.0, 0.3, 1.1, 15.0, info.duration / 2, max(0.0, info.duration - 0.5)})
        for frame in frames_at(path, times):
            if frame is not None:
                frame.rgb((88, 66))
    if info.audio:
        read_audio(path, end=2.0)
        read_audio(path, start=info.duration / 2, end=info.duration / 2 + 1)
    extract(path, "end", WINDOW)
    if info.duration < 60:
        extract_episode(path, path.with_name(f"{path.name}.episode"), WINDOW)


def read_features(path: Path) -> None:
    """What was read can be written, and read again as the same."""
    features = load(path)
    copy = path.with_name(f"copy of {path.name}")
    save(features, copy)
    again = load(copy)
    assert (again.name, again.settings, again.source) == (
        features.name,
        features.settings,
        features.source,
    )


def read_episode(path: Path) -> None:
    """All of its seconds, as arrays and as a window."""
    episode = open_episode(path)
    if episode.seconds < 60:
        episode.frames()
        episode.text()
        episode.samples()
    episode.frames(0, 1)
    episode.samples(0, 1)
    episode.window(0, "start", 2)


def damaged(sources, count, folder, read) -> list[Damaged]:
    return [Damaged(path, seed, folder, read) for path in sources for seed in range(count)]


def test_damaged_media_are_read_or_refused(media, tmp_path):
    assert findings(damaged(media, FEW, tmp_path, read_media), tmp_path / "found") == []


def test_damaged_feature_files_are_read_or_refused(features, tmp_path):
    assert findings(damaged(features, 10 * FEW, tmp_path, read_features), tmp_path / "found") == []


def test_damaged_episodes_are_read_or_refused(episodes, tmp_path):
    assert findings(damaged(episodes, 10 * FEW, tmp_path, read_episode), tmp_path / "found") == []


@pytest.mark.slow
def test_many_damaged_media_are_read_or_refused(media, tmp_path):
    assert findings(damaged(media, MANY, tmp_path, read_media), tmp_path / "found") == []


@pytest.mark.slow
def test_many_damaged_feature_files_are_read_or_refused(features, tmp_path):
    assert findings(damaged(features, 10 * MANY, tmp_path, read_features), tmp_path / "found") == []


@pytest.mark.slow
def test_many_damaged_episodes_are_read_or_refused(episodes, tmp_path):
    assert findings(damaged(episodes, 10 * MANY, tmp_path, read_episode), tmp_path / "found") == []


def test_the_search_finds_what_there_is_to_find(features, tmp_path):
    """An exception that is no ClippingError, a process that dies, and memory taken."""
    tasks = [
        Damaged(features[0], 1, tmp_path, read)
        for read in (_raise, _die, _take_memory, _refuse_namelessly)
    ]
    told = sorted(line.partition("): ")[2] for line in findings(tasks, tmp_path / "found"))
    assert len(told) == 4
    assert any("IndexError" in line for line in told)
    assert any("SIGSEGV" in line for line in told)
    assert any("MB" in line for line in told)
    assert any("does not name the file" in line for line in told)
    assert tasks[0].content() == tasks[1].content() != features[0].read_bytes()
    assert (tmp_path / "found" / "ep_start-1.safetensors").read_bytes() == tasks[0].content()


def _raise(path: Path) -> None:
    raise IndexError(path)


def _die(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _take_memory(path: Path) -> None:
    bytearray(b"x") * (1000 << 20)


def _refuse_namelessly(path: Path) -> None:
    raise MediaError("it is bad")
