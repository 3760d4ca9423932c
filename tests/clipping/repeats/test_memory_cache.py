"""All values of a MemoryCache together stay within one bound; those of a deleted owner go."""

import gc

import numpy as np
import pytest
from making.media import make_media

import clipping.media.sound
from clipping.media.container import is_picture
from clipping.media.sound import read_audio
from clipping.repeats.memory_cache import MemoryCache


class Owner:
    pass


def test_the_oldest_go_first_and_all_go_with_their_owner():
    recent, made = MemoryCache(100, len), []
    one, other = Owner(), Owner()

    def take(owner, key):
        def make():
            made.append(key)
            return bytes(40)

        return recent.take(owner, key, make)

    take(one, "a")
    take(other, "a")
    take(one, "a")
    assert (made, recent.bytes) == (["a", "a"], 80)
    take(other, "b")  # 120 bytes: the least recently used value goes
    assert recent.bytes == 80
    take(one, "a")
    assert made == ["a", "a", "b"]
    take(other, "a")
    assert made == ["a", "a", "b", "a"]
    del other
    gc.collect()
    assert recent.bytes == 40
    assert recent.take(one, "huge", lambda: bytes(1000)) == bytes(1000)


@pytest.mark.parametrize(("suffix", "by_picture"), [(".mkv", True), (".mp4", False)])
def test_sound_is_sought_by_the_stream_that_the_container_lists(
    tmp_path, monkeypatch, suffix, by_picture
):
    path = make_media(tmp_path / f"film{suffix}", duration=12, size=(64, 36), rate=8, gop=8)
    asked, seek = [], clipping.media.sound.seek

    def noted(container, stream, time):
        asked.append(is_picture(stream))
        return seek(container, stream, time)

    monkeypatch.setattr(clipping.media.sound, "seek", noted)
    part = read_audio(path, rate=44100, start=8.0, end=9.0)
    assert asked == [by_picture]
    whole = read_audio(path, rate=44100, start=0.0, end=12.0)
    assert any(np.abs(part - whole[352800 + lag : 396900 + lag]).max() < 5e-3 for lag in (-1, 0, 1))
