"""A whole episode is kept once, and any window of it can be taken without the media file."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making.media import make_media, truncate

from clipping.errors import ClippingError, FeatureError, MediaError
from clipping.media.sound import read_audio
from clipping.packing import FRAMES_A_BLOCK
from preprocess import FeatureSettings, extract
from preprocess.batch.command import main
from preprocess.episode import episode_path, extract_episode, open_episode

SETTINGS = FeatureSettings(window=20)
LENGTH = 2 * FRAMES_A_BLOCK + 11.4
SECONDS = math.ceil(LENGTH)


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    return make_media(folder / "épisode 1.mkv", duration=LENGTH, size=(160, 90), rate=12)


@pytest.fixture(scope="module")
def episode(media):
    output = episode_path(media.parent, "S1/épisode 1")
    return extract_episode(media, output, SETTINGS, name="S1/épisode 1")


def test_the_file_says_what_is_in_it(episode, media):
    assert episode == open_episode(media.parent / "S1" / "épisode 1.episode")
    assert episode.name == "S1/épisode 1"
    assert episode.duration == pytest.approx(LENGTH, abs=0.1)
    assert episode.seconds == SECONDS
    assert episode.frames().shape == (SECONDS, 3, 66, 88)
    assert episode.text().shape == (SECONDS, 27, 36)
    assert episode.samples().shape == (SECONDS * 22050,)
    assert episode.notes == ()
    assert not list(media.parent.rglob(".tmp-*"))


def test_a_window_is_what_the_media_file_gives(episode, media):
    fresh = extract(media, "start", SETTINGS)
    kept = episode.window(0, "start")
    assert np.array_equal(kept.frames, fresh.frames)
    assert np.array_equal(kept.text, fresh.text)
    assert (kept.start, kept.covered, kept.duration) == (0.0, 20.0, fresh.duration)
    assert kept.source == fresh.source
    # The last column sees that the media file's window ends, and the episode goes on.
    assert np.abs(kept.mfcc - fresh.mfcc)[:, :-4].max() < 0.5
    assert np.abs(kept.mfcc - fresh.mfcc).mean() < 0.01


def test_sound_is_that_of_the_file_in_16_bits(episode, media):
    samples = read_audio(media, end=episode.duration)
    kept = episode.samples()[: len(samples)]
    assert np.abs(kept - samples).max() <= 0.501 / 32767


def test_another_length_across_blocks(episode, media):
    whole = episode.window(FRAMES_A_BLOCK - 5, "end", 60)
    part = episode.window(FRAMES_A_BLOCK + 3, "end")
    assert np.array_equal(whole.frames[8:28], part.frames)
    assert whole.settings.window == 60
    last = episode.window(SECONDS - 10, "end")
    assert last.covered == pytest.approx(LENGTH - SECONDS + 10, abs=0.1)
    assert not last.frames[10:].any()
    assert last.frames[:9].any()
    with pytest.raises(ValueError, match=f"0 to {SECONDS - 1} s, got {SECONDS}"):
        episode.window(SECONDS, "end")


def test_parts_cost_only_themselves(episode):
    whole = episode.frames()
    for first, last in ((0, 1), (99, 101), (70, 70), (FRAMES_A_BLOCK - 1, SECONDS)):
        assert np.array_equal(episode.frames(first, last), whole[first:last])
    with pytest.raises(ValueError, match=f"not within 0 to {SECONDS}"):
        episode.text(100, SECONDS + 1)


def test_what_is_missing_is_said(tmp_path):
    silent = make_media(tmp_path / "v.mp4", duration=3.0, size=(160, 90), audio_codec=None)
    told = extract_episode(silent, tmp_path / "v.episode", SETTINGS)
    assert told.notes == ("no sound: the MFCC are zeros",)
    assert not told.window(0, "start").mfcc.any()
    sound = make_media(tmp_path / "a.m4a", duration=3.0, video_codec=None)
    assert "no picture" in extract_episode(sound, tmp_path / "a.episode", SETTINGS).notes[0]
    cut = truncate(make_media(tmp_path / "c.mkv", duration=9.0, size=(160, 90)))
    assert "cut short" in extract_episode(cut, tmp_path / "c.episode", SETTINGS).notes[0]


def test_a_batch_makes_windows_and_the_whole_in_one_run(tmp_path, capsys):
    season = tmp_path / "season"
    season.mkdir()
    for name in ("1.mkv", "2.mkv"):
        make_media(season / name, duration=3.0, size=(160, 90))
    (season / "3.mkv").write_text("not a video")
    words = [str(season), "-o", str(tmp_path / "out"), "--sides=all", "--workers=2"]
    words += ["--features.text_engine=none", "--features.window=5"]
    assert main(words) == 1
    assert "6 made, 0 up to date, 3 failed" in capsys.readouterr().out
    assert open_episode(tmp_path / "out" / "2.episode").name == "2"
    before = (tmp_path / "out" / "1.episode").read_bytes()
    assert main(words) == 1
    assert "0 made, 6 up to date, 3 failed" in capsys.readouterr().out
    make_media(season / "2.mkv", duration=2.0, size=(160, 90))
    assert main(words) == 1
    assert "3 made, 3 up to date, 3 failed" in capsys.readouterr().out
    assert open_episode(tmp_path / "out" / "2.episode").duration == pytest.approx(2.0, abs=0.1)
    assert (tmp_path / "out" / "1.episode").read_bytes() == before
    again = [*words, "--overwrite", "--workers=0"]
    assert main(again) == 1
    assert (tmp_path / "out" / "1.episode").read_bytes() == before


def test_bad_media_leave_nothing(tmp_path):
    text = tmp_path / "t.mkv"
    text.write_text("not a video")
    with pytest.raises(MediaError, match=r"t\.mkv"):
        extract_episode(text, tmp_path / "out" / "t.episode", SETTINGS)
    assert not list(tmp_path.rglob("*.episode"))
    with pytest.raises(ClippingError, match="cannot be the name"):
        episode_path(tmp_path, "../t")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_an_error_or_the_same(episode, data, tmp_path_factory):
    raw = bytearray(episode.path.read_bytes())
    place = data.draw(st.one_of(st.integers(0, 4000), st.integers(0, len(raw) - 1)))
    if data.draw(st.booleans()):
        del raw[place:]
    else:
        raw[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("d") / "x.episode"
    path.write_bytes(raw)
    with contextlib.suppress(FeatureError):
        read = open_episode(path)
        frames = read.frames(0, min(70, read.seconds))
        if read.settings == episode.settings and read.seconds == episode.seconds:
            assert np.array_equal(frames, episode.frames(0, 70))
