"""Songs whose inside is replaced: the parts that stay in place, and those that do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from making.pieces import COUNTED, UNTREATED, counted, render_pieces

from avtnet import compose
from avtnet.dense.inputs import COLUMNS_A_SECOND
from avtnet.synthesis import composer as composing
from avtnet.synthesis.composer import Composer
from avtnet.synthesis.splice import KEPT, SHORTEST, spliced
from preprocess.features import load as load_features

SONGS = [COUNTED[0], counted("opening", 61.2, 0.8, 6)]
SONGS = [replace(song, mel=song.mel + np.uint8(100 * n)) for n, song in enumerate(SONGS)]
REST = COUNTED[1:]


@pytest.mark.parametrize("seed", range(12))
def test_both_ends_keep_their_pictures_and_the_inside_is_of_any_song(seed):
    song, rng = SONGS[0], np.random.default_rng(seed)
    made = spliced(song, SONGS, rng)
    changed = round(made.length - song.length)
    assert made.length == pytest.approx(song.length + changed)
    assert -25 <= changed <= 25
    assert made.phase == song.phase
    assert len(made.frames) == len(made.text) == len(song.frames) + changed
    assert len(made.mel) == round(made.length * COLUMNS_A_SECOND)
    whose, which = made.frames[:, 1, 0, 0], made.frames[:, 0, 0, 0].astype(int)
    kept = int(KEPT[0])
    assert (whose[:kept] == 1).all()
    assert which[:kept].tolist() == [0, 1]
    assert (whose[-kept:] == 1).all()
    assert which[-kept:].tolist() == [87, 88]
    # Text goes with its picture.
    assert np.array_equal(made.text.all((1, 2)), which % 2 == 1)
    # Inside, pictures do not say how long the song still goes on.
    left = len(which) - np.arange(len(which))
    assert len(set((which + left)[whose == 1])) + len(set(whose)) > 2


def test_the_sound_begins_as_a_song_does_and_ends_as_one_does():
    heads, tails = set(), set()
    for seed in range(30):
        made = spliced(SONGS[0], SONGS, np.random.default_rng(seed))
        heads.add(int(made.mel[0, 0]))
        tails.add(int(made.mel[-1, 0]))
    assert heads == {int(song.mel[0, 0]) for song in SONGS}
    assert tails == {int(song.mel[-1, 0]) for song in SONGS}


def test_short_songs_stay_as_they_are():
    short = counted("ending", SHORTEST - 0.5, 0.2, 3)
    assert spliced(short, SONGS, np.random.default_rng(0)) is short


def test_the_composed_truth_holds_for_spliced_songs(monkeypatch):
    monkeypatch.setattr(composing, "draw_treatment", lambda rng: UNTREATED)
    composer, seen = Composer(SONGS + REST, seed=1, spliced=1.0), 0
    for index in range(40):
        made = composer.example(index)
        first, last = made.times[:2]
        if np.isnan(first) or np.isnan(last) or first <= 1:
            continue
        seen += 1
        levels = made.frames[:, 1, 0, 0]
        begin, end = int(np.ceil(first)), int(np.ceil(last))
        assert set(levels[begin:end]) <= {1, 6}
        assert levels[begin - 1] not in (1, 6)
        assert made.frames[begin, 0, 0, 0] == 0
        whole = {1: 88, 6: 60}[int(levels[end - 1])]
        assert made.frames[end - 1, 0, 0, 0] == whole
    assert seen >= 5


def test_what_is_composed_without_stays_what_it_was(monkeypatch):
    monkeypatch.delattr(composing, "spliced")  # nothing asks for it
    plain, none = (Composer(SONGS + REST, 5, **words) for words in ({}, {"spliced": 0.0}))
    for index in range(4):
        assert np.array_equal(plain.example(index).frames, none.example(index).frames)


def test_the_command_splices_a_share(tmp_path, capsys):
    pieces = render_pieces(tmp_path / "library", seconds=20.0)
    words = f"--library {pieces} --output {tmp_path / 'data'} --windows 4 --mirrored 0"
    assert compose.main([*words.split(), "--spliced", "1"]) == 0
    files = sorted((tmp_path / "data" / "features").iterdir())
    assert "1 spliced" in load_features(files[0]).notes[0]
    assert compose.main(words.split()) == 1
    assert "spliced otherwise" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        compose.main([*words.split(), "--spliced", "1.5"])
    assert "spliced is a share" in capsys.readouterr().err
