"""benchmarks/classic_composed.py: windows composed of vectors are those of pictures, encoded."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from making.pieces import COUNTED, UNTREATED, render_pieces

from avtnet import compose
from avtnet.classic import checkpoints
from avtnet.classic.config import ModelConfig
from avtnet.classic.dataset import read_windows
from avtnet.classic.model import build
from avtnet.classic.positions import predict_windows
from avtnet.classic.pretrained import load_pretrained
from avtnet.synthesis import composer as composing
from avtnet.synthesis.composer import Composer


def lopsided(piece):
    """With a bright left half, which a mirror tells, and arrays that torch may write to."""
    frames = piece.frames.copy()
    frames[:, 2, :, :22] = 200
    return replace(piece, frames=frames, text=piece.text.copy())


PIECES = [lopsided(piece) for piece in COUNTED]
SCRIPT = Path(__file__).parents[3] / "benchmarks" / "classic_composed.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("classic_composed", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


@pytest.fixture(scope="module")
def network():
    seeing = build(ModelConfig(kind="avtnet_yolt", size="seeing", hidden=8)).eval()
    load_pretrained(seeing, "shipped")
    return seeing


@pytest.fixture
def plain(monkeypatch, script):
    """Copies and compositions that nothing is done to."""
    for module in (script, composing):
        monkeypatch.setattr(module, "draw_treatment", lambda rng: UNTREATED)


def looked_at(script, network, frames, text):
    vectors = script.looked_at(network, torch.from_numpy(frames), torch.from_numpy(text))
    return [each.half().float() for each in vectors]


@pytest.mark.parametrize("side", ["start", "end"])
def test_a_composed_window_is_the_same_encoded_before_or_after(
    plain, script, network, side, monkeypatch
):
    monkeypatch.setattr(script, "SHORTENED", 0.0)  # the composer of pictures does not
    vectors = script.Vectors([script.encode(network, PIECES, 0, copy=0)], seed=3)
    pictures = Composer(PIECES, 3, spliced=script.SPLICED)
    black = np.zeros((1, 3, 33, 44), np.uint8), np.zeros((1, 27, 36), bool)
    windows = script.Windows(vectors, script.looked_at(network, *map(torch.from_numpy, black)))
    compared = 0
    for number in range(12):
        shown, encoded = (each.example(number, side) for each in (pictures, vectors))
        assert np.array_equal(shown.times, encoded.times, equal_nan=True)
        assert np.array_equal(shown.sound, encoded.sound)
        row = windows._row(encoded, side)
        if row is None:
            continue
        compared += 1
        sound, frames, text, target, song = row
        wanted = looked_at(script, network, shown.frames, shown.text)
        backwards = (lambda each: each.flip(0)) if side == "end" else (lambda each: each)
        torch.testing.assert_close(frames, backwards(wanted[0]), atol=2e-3, rtol=2e-3)
        torch.testing.assert_close(text, backwards(wanted[1]), atol=2e-3, rtol=2e-3)
        assert sound.shape == (20, 8000)
        # Either way round, the boundary is where the song ends.
        assert song[1] == pytest.approx(target)
        assert song[0] < song[1]
    assert compared >= 3


def test_a_batch_holds_its_share_of_openings_and_ends_run_backwards(plain, script, network):
    vectors = script.Vectors([script.encode(network, PIECES, 0, copy=0)], seed=3)
    black = torch.zeros(1, 3, 33, 44, dtype=torch.uint8), torch.zeros(1, 27, 36, dtype=torch.bool)
    nothing = script.looked_at(network, *black)
    asked = []
    example = vectors.example
    vectors.example = lambda index, side: asked.append((index, side)) or example(index, side)
    windows = script.Windows(vectors, nothing, openings=0.75)
    (sound, frames, text), target, song = windows.batch(4)
    assert [len(each) for each in (sound, frames, text, target, song)] == [4] * 5
    assert asked[-1][1] == "end"
    assert {side for _, side in asked} == {"start", "end"}
    assert target.tolist() == pytest.approx(song[:, 1].tolist())
    before = windows.next
    windows.batch(4)
    assert windows.next >= before + 4
    assert len({index for index, _ in asked}) == len(asked), "no window comes twice"


def test_a_shortened_song_keeps_both_ends_and_its_sound_stays_with_its_pictures(script):
    whole = PIECES[0]
    lengths = set()
    for seed in range(20):
        short = script.shortened(whole, np.random.default_rng(seed))
        gone = whole.length - short.length
        lengths.add(gone)
        assert gone == int(gone) >= 1
        assert short.length >= script.SHORTEST
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
    assert script.shortened(brief, np.random.default_rng(0)) is brief


@pytest.mark.parametrize(("share", "as_before"), [(0.0, True), (1.0, False)])
def test_dropout_is_left_out_of_what_is_trained(script, share, as_before):
    network = build(ModelConfig(kind="avtnet_yolt", size="seeing", hidden=8))
    script.soften(network, share)
    network.train()
    torch.manual_seed(0)
    frames, text = torch.rand(2, 200, 3, 33, 44), torch.zeros(2, 200, 27, 36)
    one, two = (network(torch.ones(2, 20, 8000), frames, text).sequence for _ in range(2))
    assert torch.equal(one, two) is as_before


def test_copies_are_kept_and_every_second_one_is_a_mirror(plain, script, network, tmp_path):
    made = script.read_copies(tmp_path, network, PIECES, 0, 2)
    straight, turned = (copy[0] for copy in made)
    mirrored = looked_at(
        script, network, PIECES[0].frames[..., ::-1].copy(), PIECES[0].text[..., ::-1].copy()
    )
    assert torch.from_numpy(turned.frames).float() == pytest.approx(mirrored[0], abs=2e-3)
    assert not np.array_equal(straight.frames, turned.frames)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = script.read_copies(tmp_path, network, PIECES, 0, 2)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files
    for one, two in zip(made[1], again[1], strict=True):
        assert np.array_equal(one.frames, two.frames)
        assert np.array_equal(one.text, two.text)


def test_it_trains_and_leaves_a_checkpoint_that_answers(script, tmp_path, monkeypatch, capsys):
    pieces = render_pieces(tmp_path / "library")
    words = ["--library", str(pieces), "--output", str(tmp_path / "val"), "--windows", "4"]
    assert compose.main(words) == 0
    words = (
        f"--library {pieces} --banks {tmp_path / 'banks'} --val {tmp_path / 'val'} "
        f"--save {tmp_path / 'run'} --looks 8 --validate 4 --copies 2 --batch 2"
    )
    monkeypatch.setattr(sys, "argv", ["classic_composed.py", *words.split()])
    assert script.main() == 0
    assert "epoch 1: validation score" in capsys.readouterr().out
    held = checkpoints.load(tmp_path / "run" / "best.safetensors")
    assert held.info.reverse_ends
    windows, _ = read_windows(tmp_path / "val")
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
    words += f" --kind avtnet --weights {tmp_path / 'run' / 'best.safetensors'} --freeze-sound"
    words = words.replace(str(tmp_path / "run") + " ", str(tmp_path / "other") + " ", 1)
    monkeypatch.setattr(sys, "argv", ["classic_composed.py", *words.split()])
    assert script.main() == 0
    other = checkpoints.load(tmp_path / "other" / "best.safetensors").network
    kept = held.network.audio.sound.state_dict()
    assert all(torch.equal(kept[k], value) for k, value in other.audio.sound.state_dict().items())
    gru = held.network.audio.gru.state_dict()
    assert not all(torch.equal(gru[k], value) for k, value in other.audio.gru.state_dict().items())
