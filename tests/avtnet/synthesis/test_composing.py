"""Composed episodes: what they show and play, and windows of them as feature files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from making.pieces import COUNTED, UNTREATED, counted, render_pieces

from avtnet import compose
from avtnet.classic import checkpoints
from avtnet.classic.dataset import read_songs, read_windows
from avtnet.dense.settings import SLOTS
from avtnet.synthesis import composer as composing
from avtnet.synthesis import library
from avtnet.synthesis.composer import Composer
from avtnet.train import main as train_main
from avtnet.window_files import SETTINGS, _noted, composed
from clipping.windows import WindowId, read_labels
from preprocess.features import load as load_features


def test_composed_episodes_show_and_play_each_second_of_a_song_where_the_truth_has_it(monkeypatch):
    monkeypatch.setattr(composing, "draw_treatment", lambda rng: UNTREATED)
    monkeypatch.setattr(composing, "OVER", 0.0)
    pieces = COUNTED
    composer, seen = Composer(pieces, seed=1), {"opening": 0, "ending": 0}
    for index in range(40):
        made = composer.example(index)
        assert made.classes.sum(1) == pytest.approx(1)
        for number, label in enumerate(seen, start=1):
            first, last = made.times[2 * number - 2 : 2 * number]
            if np.isnan(first) or np.isnan(last) or first <= 0:
                continue
            seen[label] += 1
            phase = pieces[number - 1].phase
            inside = np.arange(np.ceil(first), np.ceil(last)).astype(int)
            assert (made.frames[inside, 1, 0, 0] == number).all()
            shown = made.frames[inside, 0, 0, 0] + phase
            assert shown == pytest.approx(inside - first, abs=0.01)
            assert (made.text[inside].all((1, 2)) == (made.frames[inside, 0, 0, 0] % 2 == 1)).all()
            slots = (np.arange(200 * SLOTS) + 0.5) / SLOTS
            heard = (slots > first + 0.05) & (slots < last - 0.05)
            decibels = made.sound[0, heard] / np.sqrt(128)
            played = (decibels - library.QUIETEST) / library.STEP_DB - 100
            apart = (played - 4 * (slots[heard] - first) + 50) % 100 - 50
            assert np.abs(apart).max() <= 1
    assert min(seen.values()) >= 5
    monkeypatch.undo()
    again = Composer(pieces, seed=1).example(7)
    assert np.array_equal(again.frames, composer.example(7).frames)
    assert np.array_equal(again.sound, composer.example(7).sound)


def test_the_story_is_heard_into_some_songs(monkeypatch):
    """A quiet song, a loud story: where it is heard over, the song's edge is louder."""
    quiet = {"opening": 60, "ending": 60, "story": 200, "preview": 60, "card": 60}
    pieces = [
        replace(counted(kind, 89.0, 0.0, 1), mel=np.full((3800, 128), level, np.uint8))
        for kind, level in quiet.items()
    ]
    monkeypatch.setattr(composing, "draw_treatment", lambda rng: UNTREATED)
    over = 0
    for index in range(60):
        made = Composer(pieces, seed=1).example(index)
        first, last = made.times[:2]
        if np.isnan(first) or np.isnan(last) or not 1 < first < last - 20:
            continue
        loud = made.sound[0, round((first + 0.1) * SLOTS) : round((last - 0.1) * SLOTS)]
        assert len(np.unique(loud[6 * SLOTS : -6 * SLOTS])) == 1
        over += bool(loud[:SLOTS].max() > loud[6 * SLOTS] + 1)
    assert 1 <= over <= 20


@pytest.mark.parametrize("side", ["start", "end"])
def test_windows_hold_their_sides_boundary_where_pictures_and_sound_have_it(monkeypatch, side):
    monkeypatch.setattr(composing, "draw_treatment", lambda rng: UNTREATED)
    monkeypatch.setattr(composing, "OVER", 0.0)
    settings = SETTINGS
    moments = np.arange(settings.columns) * settings.hop_samples / settings.sample_rate
    composer = Composer(COUNTED, 3, 200, moments)
    for number in range(6):
        window, (label, song) = composed(composer, number, WindowId("w", side))
        assert song[side == "start"] == label
        assert 0 <= song[0] <= song[1] <= window.covered
        seconds = np.flatnonzero(window.frames[:, 1, 0, 0] == (1 if side == "start" else 2))
        assert abs(seconds[0] - song[0]) <= 1
        assert abs(seconds[-1] + 1 - song[1]) <= 1
        assert 0 <= label <= window.covered <= 200
        assert window.start == 0 if side == "start" else window.start + 201 > window.duration
        kinds = window.frames[:, 1, 0, 0]
        # The last second of the opening, or the first of the ending, and none beyond it.
        inside = int(np.ceil(label)) - 1 if side == "start" else int(np.ceil(label))
        beyond = inside + 1 if side == "start" else inside - 1
        assert kinds[inside] == (1 if side == "start" else 2)
        assert beyond < 0 or kinds[beyond] != kinds[inside]
        # Columns are those of a file: every 512 samples of 22050 a second, none behind its end.
        assert window.mfcc.shape == (20, 8616)
        heard = int(window.covered * 22050) // 512
        assert window.mfcc[0, : heard + 1].all()
        assert not window.mfcc[:, heard + 1 :].any()


def test_an_ending_that_begins_a_little_before_its_window_is_still_a_label(monkeypatch):
    """As one of 8,666 windows had it: a folder with it could neither be labelled nor completed."""
    example = Composer.example

    def early(composer, number, manner):
        made = example(composer, number, manner)
        made.times[2:] = -0.008, 80.0
        return made

    monkeypatch.setattr(Composer, "example", early)
    moments = np.arange(8616) * 512 / 22050
    composer = Composer(COUNTED, 3, 200, moments)
    _, (label, song) = composed(composer, 0, WindowId("w", "end"))
    assert (label, song) == (0, (0, 80))
    told = f"{label:.4f} s, song from {song[0]:.4f} to {song[1]:.4f} s"
    assert _noted(told) == (label, song)


def test_a_share_of_the_windows_is_seen_in_a_mirror(tmp_path):
    pieces = render_pieces(tmp_path / "library")
    read = []
    for share in ("0", "0.5", "1"):
        data = tmp_path / share
        words = f"--library {pieces} --output {data} --windows 12 --mirrored {share}"
        assert compose.main(words.split()) == 0
        read.append([load_features(window.path) for window in read_windows(data)[0]])
    turned = 0
    for plain, some, mirrored in zip(*read, strict=True):
        assert np.array_equal(plain.frames, mirrored.frames[..., ::-1])
        assert np.array_equal(plain.text, mirrored.text[..., ::-1])
        assert np.array_equal(plain.mfcc, mirrored.mfcc)
        assert not np.array_equal(plain.frames, mirrored.frames)
        seen = [np.array_equal(some.frames, other.frames) for other in (plain, mirrored)]
        assert sorted(seen) == [False, True]
        turned += seen[1]
    assert 2 <= turned <= 10


def test_a_folder_of_windows_is_completed_and_trained_on(tmp_path, capsys):
    pieces = render_pieces(tmp_path / "library")
    data = tmp_path / "data"
    words = ["--library", str(pieces), "--output", str(data), "--windows", "10", "--seed", "4"]
    assert compose.main(words) == 0
    windows, missing = read_windows(data)
    assert len(windows) == 10
    assert not missing
    assert {window.id.side for window in windows} == {"start", "end"}
    held = load_features(windows[0].path)
    assert held.frames.shape == (200, 3, 33, 44)
    assert f"boundary at {windows[0].seconds:.4f} s" in held.notes[0]

    before = {window.path: window.path.read_bytes() for window in windows}
    gone = windows[3].path
    gone.unlink()
    assert compose.main([*words, "--windows", "12", "--workers", "2"]) == 0
    labels = read_labels(data / "labels.txt")
    assert len(labels) == 12
    songs = read_songs(data / "songs.csv")
    for window, label in labels.items():
        assert songs[str(window)][window.side == "start"] == label
    assert {path: path.read_bytes() for path in before} == before
    assert compose.main([*words, "--seed", "5"]) == 1
    assert "of another seed or of other pieces" in capsys.readouterr().err
    assert compose.main(["--library", str(data), "--output", str(data)]) == 1
    assert "no pieces of the split train" in capsys.readouterr().err

    run = tmp_path / "run"
    nano = "--model.size nano --model.hidden 8 --batch_size 4 --max_epoch 1 --warmup_epoch 0"
    assert train_main(["--data_root", str(data), "--save_prefix", str(run), *nano.split()]) == 0
    info = checkpoints.read_info(run / "best.safetensors")
    assert (info.features.frame_height, info.features.frame_width) == (33, 44)
