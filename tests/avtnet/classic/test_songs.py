"""Trainings that are told where the whole song lies, not only the boundary of its window."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from making.stops import interrupted
from making.windows import NANO, make_data, small_training
from safetensors.torch import load_file

from avtnet.classic import checkpoints
from avtnet.classic.config import ModelConfig
from avtnet.classic.dataset import WindowDataset, read_songs, read_windows
from avtnet.classic.losses import song_term
from avtnet.classic.model import WithSongLoss, build
from avtnet.train import main, train
from clipping.errors import ClippingError

HEADER = "file,label,start,end\n"


def write_songs(data):
    """In make_data's windows sound and picture change at the boundary: the song is before it."""
    rows = []
    for window in read_windows(data)[0]:
        if window.id.side == "start":
            rows.append(f"{window.id},opening,{max(0, window.seconds - 90)},{window.seconds}\n")
        else:
            last = min(200, window.seconds + 90)
            rows.append(f"{window.id},ending,{window.seconds},{last}\n")
    (data / "songs.csv").write_text(HEADER + "".join(rows))
    return data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_songs(make_data(tmp_path_factory.mktemp("data")))


@pytest.fixture
def config(data, tmp_path):
    return small_training(data, tmp_path / "run", warmup_epoch=0, song_loss=1.0)


def test_songs_are_read_only_where_they_are_asked_for(data):
    assert all(window.song is None for window in read_windows(data)[0])
    windows, _ = read_windows(data, songs=True)
    for window in windows:
        assert window.song is not None
        assert window.song[window.id.side == "start"] == window.seconds


def test_a_song_runs_backwards_with_its_window_and_an_unknown_one_is_no_number(data):
    windows, _ = read_windows(data, songs=True)
    windows[2] = dataclasses.replace(windows[2], song=None)
    plain = WindowDataset(windows).songs(range(4))
    turned = WindowDataset(windows, reverse_ends=True).songs(range(4))
    for row, window in enumerate(windows[:4]):
        if window.song is None:
            assert plain[row].isnan().all()
            assert turned[row].isnan().all()
            continue
        first, last = (second / 200 for second in window.song)
        assert plain[row].tolist() == pytest.approx([first, last])
        if window.id.side == "end":
            first, last = 1 - last, 1 - first
        assert turned[row].tolist() == pytest.approx([first, last])
    # Shown so, the boundary is the song's end on both sides.
    at = WindowDataset(windows, reverse_ends=True).targets([0, 1, 3])
    assert turned[[0, 1, 3], 1].tolist() == pytest.approx(at.tolist())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "songs.csv: not there; .*avtnet.compose writes it"),
        ("NAME_start 60\n", "songs.csv:1: the first row names the columns"),
        (HEADER + "ep00_start,opening,90,20\n", "songs.csv:2: "),
        (HEADER + "ep00_start,recap,20,90\n", "no opening of a NAME_start"),
    ],
)
def test_a_wrong_table_of_songs_is_said(tmp_path, text, complaint):
    if text is not None:
        (tmp_path / "songs.csv").write_text(text)
    with pytest.raises(ClippingError, match=complaint):
        read_songs(tmp_path / "songs.csv")


def test_without_the_table_the_run_gets_no_folder(tmp_path, capsys):
    bare = make_data(tmp_path / "data")
    words = ["--data_root", str(bare), "--save_prefix", str(tmp_path / "run"), "--song_loss", "1"]
    assert main([*words, "--model.size", "nano"]) == 1
    assert "songs.csv: not there" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


class TestTerm:
    def test_every_step_counts_its_share_of_the_song(self):
        # 4 steps of 50 s; the song from 25 to 125 s is half of the first, the second, half of the
        # third. Logits of those shares are as good as any: what is left is their entropy.
        songs = torch.tensor([[0.125, 0.625]])
        logits = torch.tensor([[0.0, 30.0, 0.0, -30.0]])
        term = song_term(logits, songs, 2.0)
        assert term.windows.item() == 1
        assert term.total.item() == pytest.approx(2 * 50 * 2 * math.log(2), rel=1e-5)
        worse = song_term(-logits, songs, 2.0)
        assert worse.total.item() == pytest.approx(2 * 50 * (60 + 2 * math.log(2)), rel=1e-5)

    def test_windows_whose_song_is_not_known_count_nowhere(self):
        songs = torch.tensor([[0.0, 0.5], [math.nan, math.nan]])
        logits = torch.zeros(2, 10, requires_grad=True)
        term = song_term(logits, songs, 1.0)
        assert term.windows.item() == 1
        term.total.backward()
        assert logits.grad is not None
        assert logits.grad[0].all()
        assert not logits.grad[1].any()
        empty = song_term(logits, songs[1:].expand(2, 2), 1.0)
        assert (empty.total.item(), empty.windows.item()) == (0, 0)


@pytest.mark.parametrize("kind", ["avtnet", "avtnet2", "avtnet_yolt"])
def test_the_layer_beside_changes_no_answer_and_begins_without_an_opinion(kind):
    torch.manual_seed(0)
    network = build(ModelConfig(kind=kind, size="nano", hidden=8)).eval()
    inputs = (torch.randn(2, 20, 900), torch.rand(2, 20, 3, 33, 44), torch.rand(2, 20, 27, 36))
    with torch.no_grad():
        alone, out = network(*inputs), WithSongLoss(network).eval()(*inputs)
    assert torch.equal(alone.position, out.position)
    assert alone.song is None
    assert out.song is not None
    assert out.song.shape == (2, 200)
    assert out.song.unique().numel() == 1


def test_the_network_alone_is_kept(config):
    folder = train(config)
    held = load_file(folder / "best.safetensors")
    assert set(held) == set(build(NANO).state_dict())
    assert checkpoints.load(folder / "best.safetensors").info.training["song_loss"] == 1.0


def test_what_the_layer_asks_for_reaches_the_network(config, tmp_path):
    taught = load_file(train(config) / "epoch002.safetensors")
    other = dataclasses.replace(config, save_prefix=tmp_path / "other", song_loss=0.0)
    plain = load_file(train(other) / "epoch002.safetensors")
    name = next(name for name in plain if name.startswith("audio.gru"))
    assert not torch.equal(taught[name], plain[name])


def test_an_interrupted_run_continues_with_the_layer(config, tmp_path):
    whole = load_file(train(config) / "epoch002.safetensors")
    parted = dataclasses.replace(config, save_prefix=tmp_path / "parted", resume=True)
    interrupted(lambda: train(parted), 1)
    resumed = load_file(train(parted) / "epoch002.safetensors")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_two_processes_learn_what_one_learns(config, tmp_path):
    # Without dropout: each process draws its own. A batch of 5 is shared unevenly.
    model = dataclasses.replace(NANO, dropout=False)
    alone = dataclasses.replace(config, model=model, batch_size=5)
    shared = dataclasses.replace(alone, save_prefix=tmp_path / "two", processes=2)
    one, two = (load_file(train(each) / "epoch002.safetensors") for each in (alone, shared))
    for name, value in one.items():
        rtol = 1e-4 if "running" in name else 0  # variances of hundreds
        torch.testing.assert_close(two[name], value, atol=1e-4, rtol=rtol, msg=name)
