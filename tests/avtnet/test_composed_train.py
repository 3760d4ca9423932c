"""avtnet train --composed: windows composed of vectors are those of pictures, encoded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from making.pieces import COUNTED, UNTREATED, render_pieces
from making.stops import interrupted
from safetensors.torch import load_file

from avtnet import compose, composed_train, composed_windows
from avtnet.classic import checkpoints
from avtnet.classic.config import ModelConfig
from avtnet.classic.dataset import read_windows
from avtnet.classic.model import build
from avtnet.classic.positions import predict_windows
from avtnet.classic.pretrained import load_pretrained
from avtnet.composed_train import ComposedConfig, soften, train_composed
from avtnet.composed_windows import Windows, empty_vectors, encode_copy, read_copies
from avtnet.synthesis import composer as composing
from avtnet.synthesis import vectors as vectors_module
from avtnet.synthesis.composer import Composer
from avtnet.synthesis.vectors import SHORTEST, SPLICED, VectorComposer, shortened
from avtnet.train import main as train
from clipping.__main__ import main as general
from clipping.learning.loop import State


def lopsided(piece):
    """With a bright left half, which a mirror tells, and arrays that torch may write to."""
    frames = piece.frames.copy()
    frames[:, 2, :, :22] = 200
    return replace(piece, frames=frames, text=piece.text.copy())


PIECES = [lopsided(piece) for piece in COUNTED]


@pytest.fixture(scope="module")
def network():
    network_ = build(ModelConfig(kind="avtnet_yolt", size="small_dense", hidden=8)).eval()
    load_pretrained(network_, "shipped")
    return network_


@pytest.fixture
def plain(monkeypatch):
    """Copies and compositions that nothing is done to."""
    for module in (composed_windows, composing):
        monkeypatch.setattr(module, "draw_treatment", lambda rng: UNTREATED)


def encode_pictures(network, frames, text):
    vectors = composed_windows.encode_pictures(
        network, torch.from_numpy(frames), torch.from_numpy(text)
    )
    return [each.half().float() for each in vectors]


@pytest.mark.parametrize("side", ["start", "end"])
def test_a_composed_window_is_the_same_encoded_before_or_after(plain, network, side, monkeypatch):
    monkeypatch.setattr(vectors_module, "SHORTENED", 0.0)  # the composer of pictures does not
    vectors = VectorComposer([encode_copy(network, PIECES, 0, copy=0)], seed=3)
    pictures = Composer(PIECES, 3, spliced=SPLICED)
    windows = Windows(vectors, empty_vectors(network))
    compared = 0
    for number in range(12):
        shown, encoded = (each.example(number, side) for each in (pictures, vectors))
        assert np.array_equal(shown.times, encoded.times, equal_nan=True)
        assert np.array_equal(shown.sound, encoded.sound)
        row = windows.row(encoded, side)
        if row is None:
            continue
        compared += 1
        sound, frames, text, target, song = row
        wanted = encode_pictures(network, shown.frames, shown.text)
        backwards = (lambda each: each.flip(0)) if side == "end" else (lambda each: each)
        torch.testing.assert_close(frames, backwards(wanted[0]), atol=2e-3, rtol=2e-3)
        torch.testing.assert_close(text, backwards(wanted[1]), atol=2e-3, rtol=2e-3)
        assert sound.shape == (20, 8000)
        # Either way round, the boundary is where the song ends.
        assert song[1] == pytest.approx(target)
        assert song[0] < song[1]
    assert compared >= 3


def test_a_batch_holds_its_share_of_openings_and_ends_run_backwards(plain, network):
    vectors = VectorComposer([encode_copy(network, PIECES, 0, copy=0)], seed=3)
    asked = []
    example = vectors.example
    vectors.example = lambda index, side: asked.append((index, side)) or example(index, side)
    windows = Windows(vectors, empty_vectors(network), openings=0.75)
    sound, frames, text, target, song, following = windows.compose(4, 0)
    assert [len(each) for each in (sound, frames, text, target, song)] == [4] * 5
    assert asked[-1][1] == "end"
    assert {side for _, side in asked} == {"start", "end"}
    assert target.tolist() == pytest.approx(song[:, 1].tolist())
    assert windows.compose(4, following).next >= following + 4
    assert len({index for index, _ in asked}) == len(asked), "no window comes twice"


def test_a_shortened_song_keeps_both_ends_and_its_sound_stays_with_its_pictures():
    whole = PIECES[0]
    lengths = set()
    for seed in range(20):
        short = shortened(whole, np.random.default_rng(seed))
        gone = whole.length - short.length
        lengths.add(gone)
        assert gone == int(gone) >= 1
        assert short.length >= SHORTEST
        assert len(short.frames) == len(short.text) == len(whole.frames) - gone
        seconds = short.frames[:, 0, 0, 0]
        assert list(seconds[:2]) == [0, 1]
        assert seconds[-1] == whole.frames[-1, 0, 0, 0]
        # In a counted piece four levels of the sound are a second, as the pictures' numbers are.
        for number, second in enumerate(seconds):
            column = round((whole.phase + number) * composing.COLUMNS_A_SECOND)
            heard = (int(short.mel[min(column, len(short.mel) - 1), 0]) - 100) % 100
            wanted = (4 * (second + whole.phase)) % 100
            assert abs((heard - wanted + 50) % 100 - 50) <= 1
        assert np.array_equal(short.mel[-40:], whole.mel[-40:])
    assert len(lengths) > 10
    brief = replace(whole, length=6.5, frames=whole.frames[:7])
    assert shortened(brief, np.random.default_rng(0)) is brief


@pytest.mark.parametrize(("share", "as_before"), [(0.0, True), (1.0, False)])
def test_dropout_is_left_out_of_what_is_trained(share, as_before):
    network = build(ModelConfig(kind="avtnet_yolt", size="small_dense", hidden=8))
    soften(network, share)
    network.train()
    torch.manual_seed(0)
    frames, text = torch.rand(2, 200, 3, 33, 44), torch.zeros(2, 200, 27, 36)
    one, two = (network(torch.ones(2, 20, 8000), frames, text).sequence for _ in range(2))
    assert torch.equal(one, two) is as_before


def test_copies_are_kept_and_every_second_one_is_a_mirror(plain, network, tmp_path):
    made = read_copies(tmp_path, network, PIECES, 2)
    straight, turned = (copy[0] for copy in made)
    mirrored = encode_pictures(
        network, PIECES[0].frames[..., ::-1].copy(), PIECES[0].text[..., ::-1].copy()
    )
    assert torch.from_numpy(turned.frames).float() == pytest.approx(mirrored[0], abs=2e-3)
    assert not np.array_equal(straight.frames, turned.frames)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = read_copies(tmp_path, network, PIECES, 2)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files
    for one, two in zip(made[1], again[1], strict=True):
        assert np.array_equal(one.frames, two.frames)
        assert np.array_equal(one.text, two.text)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A library of pieces, and windows composed of it to validate on."""
    folder = tmp_path_factory.mktemp("made")
    pieces = render_pieces(folder / "library")
    words = ["--library", str(pieces), "--output", str(folder / "val"), "--windows", "4"]
    assert compose.main(words) == 0
    return folder


def words_of(made, run, *more):
    """Six steps of two windows, validated after the third and the last."""
    return [
        *("--composed", str(made / "library"), "--val-root", str(made / "val")),
        *("--save-prefix", str(run), "--copies-folder", str(made / "copies"), "--copies", "2"),
        *("--windows", "12", "--validate-every", "6", "--batch-size", "2", *more),
    ]


def test_it_trains_and_leaves_a_checkpoint_that_answers(made, tmp_path, capsys):
    assert train(words_of(made, tmp_path / "run")) == 0
    assert "epoch 1: loss" in capsys.readouterr().err
    held = checkpoints.load(tmp_path / "run" / "best.safetensors")
    assert held.info.reverse_ends
    assert held.info.training["windows"] == 12
    windows, _ = read_windows(made / "val")
    said = predict_windows(held, [window.path for window in windows])
    assert all(0 <= second <= 200 for second in said)
    # The encoders of pictures and text are the shipped ones still.
    fresh = build(held.info.model)
    load_pretrained(fresh, "shipped")
    for name in ("frames", "text"):
        ours = getattr(held.network.video, name).state_dict()
        shipped = getattr(fresh.video, name).state_dict()
        assert all(torch.equal(ours[key], shipped[key]) for key in shipped)

    # A relative starts from all but its head; the sound's encoder may be kept, too.
    relative = ("--kind", "avtnet", "--frozen", "audio.sound")
    first = ("--weights", str(tmp_path / "run" / "best.safetensors"))
    assert train(words_of(made, tmp_path / "other", *relative, *first)) == 0
    assert "all but the head starts from" in capsys.readouterr().err
    other = checkpoints.load(tmp_path / "other" / "best.safetensors").network
    kept = held.network.audio.sound.state_dict()
    assert all(torch.equal(kept[k], value) for k, value in other.audio.sound.state_dict().items())
    gru = held.network.audio.gru.state_dict()
    assert not all(torch.equal(gru[k], value) for k, value in other.audio.gru.state_dict().items())


def test_it_is_a_task_of_the_general_commands(made, tmp_path, capsys):
    task, run = ("--task", "avtnet-composed"), tmp_path / "run"
    assert general(["train", *task, *words_of(made, run)]) == 0
    checkpoint = run / "best.safetensors"
    words = ("--checkpoint", str(checkpoint), "--val-root", str(made / "val"))
    capsys.readouterr()
    assert general(["evaluate", *task, *words]) == 0
    figures = dict(line.split() for line in capsys.readouterr().out.splitlines())
    known = checkpoints.load(checkpoint).info.metrics["score"]
    assert float(figures["score"]) == pytest.approx(known, rel=1e-4)


def test_an_interrupted_one_goes_on_with_the_windows_that_come_next(made, tmp_path):
    config = ComposedConfig(
        composed=made / "library", val_root=made / "val", save_prefix=tmp_path / "whole",
        copies_folder=made / "copies", copies=2, windows=12, validate_every=6, batch_size=2,
        resume=True,
    )  # fmt: skip
    whole = load_file(train_composed(config) / "epoch001.safetensors")
    parted = replace(config, save_prefix=tmp_path / "parted")
    interrupted(lambda: train_composed(parted), 3)
    state = composed_train.composed_run_folder(parted).read(State)
    assert state.step == 4
    assert state.task["next"] >= 8, "some examples have no boundary"
    again = load_file(train_composed(parted) / "epoch001.safetensors")
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def test_what_cannot_be_composed_is_said(made, tmp_path, capsys):
    words = words_of(made, tmp_path / "run")
    assert train([*words, "--composed", str(tmp_path)]) == 1
    assert "avtnet dense_train renders them" in capsys.readouterr().err
    for wrong in (["--kind=avtnet3"], ["--openings=2"]):
        with pytest.raises(SystemExit):
            train([*words, *wrong])
    assert not (tmp_path / "run").exists()
