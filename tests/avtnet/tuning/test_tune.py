"""Five labelled episodes and one command: a network that knows the series, on real media."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from making.media import make_media
from rich.console import Console
from test_own_episodes import episode

from avtnet import dense_train, locate, tune
from avtnet.correct import main as correct
from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.dense.checkpoint import DenseCheckpoint
from avtnet.dense.info import DenseInfo
from avtnet.dense.model import AVTNetDense
from avtnet.dense.settings import DenseConfig
from avtnet.synthesis import library
from avtnet.train import main as train
from avtnet.tuning import settings, training
from avtnet.tuning.settings import TuneConfig
from avtnet.tuning.training import HeldOutAnswer, averaged, divided, figures
from clipping.errors import CheckpointError

SMALL = DenseConfig(
    sound=(8, 8, 8), frames=(8, 8), text=(4, 8), width=32, dilations=(1, 2, 4), dropout=0.0
)
OPENINGS = {"01": (6.5, 30.0), "02": (20.25, 44.0), "03": (13.0, 36.5)}
FINE = "--steps 30 --batch-size 2 --lr 1e-2 --folds 2 --workers 0".split()


@pytest.fixture(autouse=True)
def user(tmp_path_factory, monkeypatch):
    """Nobody's real directories."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))


def make_episode(path: Path, opening: tuple[float, float]) -> Path:
    """Fifty seconds that are bright and loud in the opening, dark and quiet else."""

    def draw(number, time, size):
        level = 200 if opening[0] <= time < opening[1] else 40
        return np.full((size[1], size[0], 3), level, np.uint8)

    def sound(times, track):
        loud = np.where((times >= opening[0]) & (times < opening[1]), 0.5, 0.005)
        return loud * np.sin(2 * np.pi * 440 * times)

    return make_media(
        path, duration=50.0, size=(96, 64), rate=2, audio_rate=22050, layout="mono", draw=draw,
        sound=sound,
    )  # fmt: skip


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series") / "Show"
    folder.mkdir()
    for name, opening in OPENINGS.items():
        make_episode(folder / f"{name}.mkv", opening)
    return folder


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    torch.manual_seed(0)
    dense_checkpoint.save(
        path, AVTNetDense(SMALL), DenseInfo(model=SMALL, trained_on="nothing", scale=2.0)
    )
    return path


@pytest.fixture
def mine(series, tmp_path):
    """Three episodes, each labelled in another manner; one without labels; one damaged."""
    folder = shutil.copytree(series, tmp_path / "Show")
    start, end = OPENINGS["01"]
    assert correct([str(folder / "01.mkv"), "opening", str(start), str(end)]) == 0
    assert correct([str(folder / "01.mkv"), "ending", "none"]) == 0
    start, end = OPENINGS["02"]
    (folder / "02.edl").write_text(f"{start} {end} 4\n")
    start, end = OPENINGS["03"]
    (folder / "03.csv").write_text(f"file,label,start,end\n03.mkv,OP,{start},{end}\n")
    shutil.copy(folder / "01.mkv", folder / "04.mkv")
    with open(folder / "04.mkv", "ab") as stream:
        stream.write(b"another file")
    (folder / "05.mkv").write_bytes(b"damaged")
    (folder / "05.edl").write_text("3 40 4\n")
    return folder


def test_a_series_is_learned_in_one_command_and_locate_uses_it(mine, untrained, tmp_path, capsys):
    out = tmp_path / "runs"
    words = ["--init", str(untrained), str(mine), "-o", str(out), *FINE]
    assert train(words) == 1  # one file is damaged, which costs the others nothing
    said = capsys.readouterr()
    assert "left out" in said.err
    assert "05.mkv" in said.err
    assert "held-back episodes" in said.out
    result = out / "dense.safetensors"
    made = dense_checkpoint.load(result)
    assert made.info.model == SMALL
    assert made.info.scale == 2.0
    assert made.info.trained_on == "nothing; then tuned on 3 labelled episodes: 01, 02, 03"
    assert made.info.training["labels"]["01"] == "corrections"
    assert made.info.training["labels"]["03"].endswith("03.csv")
    before, after = (made.info.metrics[f"{when} f1 of seconds"] for when in ("before", "after"))
    assert after > max(0.6, before)
    # The features and the trainings are kept: the same again takes them, and gives the same.
    content = result.read_bytes()
    result.rename(tmp_path / "series.safetensors")
    assert len(list((out / "features").glob("*.episode"))) == 3
    assert train(words) == 1
    assert capsys.readouterr().err.count("done by an earlier run") == 2
    again = dense_checkpoint.load(result)
    assert again.info == made.info
    assert result.read_bytes() == content
    # More labels are another training.
    (mine / "04.edl").write_text("6.5 30 4\n")
    (mine / "05.edl").unlink()
    (mine / "05.mkv").unlink()
    assert train([*words, "--steps=2"]) == 0
    assert "done by an earlier run" not in capsys.readouterr().err
    assert "tuned on 4 labelled" in dense_checkpoint.load(result).info.trained_on

    new = make_episode(tmp_path / "new.mkv", (25.0, 49.5))
    found = locate(new, tmp_path / "series.safetensors", min_confidence=0.0)
    assert any("AVTNetDense" in line for each in found.segments for line in each.evidence)


def test_what_locate_says_with_tuned_weights_is_what_they_say(mine, untrained, tmp_path, capsys):
    """The weights that are named are asked, and no others."""
    from avtnet.search.networks import load_networks
    from avtnet.search.request import LocateConfig

    only = LocateConfig((str(mine),), weights=(untrained,))
    (finder,) = load_networks(only).finders
    assert finder.paths == (untrained,)
    found = locate(mine / "01.mkv", untrained, min_confidence=0.0, network="always")
    assert not any("YOLT" in line for each in found.segments for line in each.evidence)
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(CheckpointError, match=r"text\.safetensors"):
        locate(mine / "01.mkv", tmp_path / "text.safetensors")


def test_nothing_to_learn_from_is_said(series, untrained, tmp_path, capsys):
    words = ["--init", str(untrained), "-o", str(tmp_path / "out")]
    assert tune.main([str(series), *words]) == 1
    said = capsys.readouterr().err
    assert "no episode has labels" in said
    assert "avtnet correct FILE opening" in said
    assert tune.main([str(tmp_path / "gone"), *words]) == 1
    assert tune.main([str(series), "-o", str(tmp_path), "--init", str(tmp_path / "no.file")]) == 1
    for wrong in (["--folds=0"], ["--own-share=0"], ["--lr=2"], ["--stepz=3"]):
        with pytest.raises(SystemExit) as ended:
            tune.main([str(series), *words, *wrong])
        assert ended.value.code == 2
    assert "did you mean --steps?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        tune.main([])
    assert "name the labelled episodes" in capsys.readouterr().err
    library_words = ["--library", str(tmp_path)]
    table = tmp_path / "labels.csv"
    table.write_text("file,label,start,end\n01.mkv,opening,6.5,30\n")
    given = ["--labels", str(table), "--workers=0"]
    assert tune.main([str(series), *words, *library_words, *given]) == 1
    assert "avtnet dense_train renders them" in capsys.readouterr().err


def test_the_help_teaches(capsys):
    for words in (["--help"], ["--init", "shipped", "--help"]):
        with pytest.raises(SystemExit):
            train(words)
    plain, own = capsys.readouterr().out.split("usage: python -m avtnet.tune")
    assert "--init shipped" in " ".join(plain.split())
    told = " ".join(own.split())
    for word in ("avtnet correct", "01.chapters.xml", "--labels TABLE", "docs/tune.md", "--folds"):
        assert word in told


EPISODES = [
    episode(260.0, ("opening", 20.0 + 7 * k, 60.0), ("ending", 190.0, 250.0 - k)) for k in range(4)
]


def checkpoint() -> DenseCheckpoint:
    torch.manual_seed(0)
    return DenseCheckpoint(Path("small"), AVTNetDense(SMALL).eval(), DenseInfo(model=SMALL))


QUIET = Console(quiet=True)


def config(tmp_path, **values) -> TuneConfig:
    return TuneConfig(("x",), tmp_path, batch_size=2, folds=2, **values)


def test_a_training_ends_where_the_held_back_gain_no_more(tmp_path, monkeypatch):
    """Then the weights are those it began with, to the bit."""
    looks = iter(range(100))
    monkeypatch.setattr(training, "held_out_loss", lambda *_: 1.0 + next(looks))
    monkeypatch.setattr(training, "EVERY", 1)
    start = checkpoint()
    told = Console(record=True, file=io.StringIO())
    made = training.tune(config(tmp_path), start, EPISODES, told)
    assert made.info.training["stopped at steps"] == [0, 0]
    assert next(looks) == 2 * (1 + training.PATIENCE)
    assert "gained nothing" in told.export_text()
    for name, value in start.network.state_dict().items():
        assert torch.equal(value, made.network.state_dict()[name])


def test_norms_keep_their_statistics_and_what_it_began_with_stays(tmp_path):
    start = checkpoint()
    before = {name: value.clone() for name, value in start.network.state_dict().items()}
    made = training.tune(config(tmp_path, steps=10, lr=1e-3, senses=False), start, EPISODES, QUIET)
    after = made.network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not [name for name in moved if "running" in name or "tracked" in name]
    assert not [name for name in moved if name.startswith(("sound.", "frames.", "text."))]
    whole = config(tmp_path / "whole", steps=10, lr=1e-3)
    after = training.tune(whole, start, EPISODES[:2], QUIET).network.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert "sound.second.weight" in moved
    assert not [name for name in moved if "running" in name or "tracked" in name]
    for name, value in start.network.state_dict().items():
        assert torch.equal(before[name], value)


def test_a_single_episode_is_learned_blindly_and_not_for_long(tmp_path):
    made = training.tune(config(tmp_path, steps=6), checkpoint(), EPISODES[:1], QUIET)
    assert made.info.training["stopped at steps"] == [6 // training.BLIND]
    assert made.after == {}


def test_every_episode_is_held_back_once():
    assert divided(1, 3, 0) == [()]
    assert divided(5, 1, 0) == [()]
    parts = divided(5, 3, seed=4)
    assert sorted(index for part in parts for index in part) == [0, 1, 2, 3, 4]
    assert sorted(map(len, parts)) == [1, 2, 2]
    assert len(divided(2, 3, 0)) == 2


def test_weights_are_averaged():
    nets = [AVTNetDense(SMALL) for _ in range(3)]
    mean = averaged(nets).state_dict()
    for name in ("classes.weight", "sound.norm.running_mean"):
        each = torch.stack([net.state_dict()[name] for net in nets])
        assert torch.allclose(mean[name], each.mean(0), atol=1e-6)


def test_figures_count_what_is_missing_and_what_is_too_much():
    told = figures(
        [
            HeldOutAnswer((10.0, 100.0), (10.4, 99.2)),
            HeldOutAnswer((10.0, 100.0), None),
            HeldOutAnswer(None, (0.0, 90.0)),
            HeldOutAnswer(None, None),
        ]
    )
    assert told["found"] == 0.5
    assert told["within 0.5 s"] == 0.25
    assert told["within 1 s"] == 0.5
    assert told["error of ends (s)"] == pytest.approx(0.6)
    assert told["f1 of seconds"] == pytest.approx(2 * 88.8 / (90 + 90 + 88.8 + 90))
    assert told["said where there is none"] == 0.5


@pytest.fixture
def pieces(monkeypatch):
    """A library that takes a moment."""
    monkeypatch.setattr(library, "SHARD", ("opening", "ending", "story", "preview", "card"))
    monkeypatch.setattr(library, "LENGTHS", {kind: lambda rng: 8.0 for kind in library.KINDS})


def test_own_episodes_are_mixed_into_a_training(mine, tmp_path, pieces, capsys):
    words = f"--output {tmp_path}/run --shards 1 --validation_shards 0 --steps 2 --batch_size 2"
    words += " --model.width 16 --model.dilations 1 2 --model.sound 8 8 8 --model.frames 8 8"
    own = ["--model.text", "8", "8", "--own", str(mine), "--own-share", "0.5"]
    assert dense_train.main([*words.split(), *own]) == 0
    said = capsys.readouterr().err
    assert "3 labelled episodes are mixed in" in said
    assert "05.mkv" in said
    made = dense_checkpoint.load(tmp_path / "run" / "dense.safetensors")
    assert "50% own labelled ones" in made.info.trained_on
    # And the pieces of that training into a tuning.
    table = tmp_path / "labels.csv"
    table.write_text("file,label,start,end\n01.mkv,opening,6.5,30\n02.mkv,OP,20.25,44\n")
    config = TuneConfig(
        (str(mine),), tmp_path / "tuned", str(made.path), table, library=tmp_path / "run/library",
        features=tmp_path / "run" / "features", steps=2, batch_size=2, folds=2, workers=0,
    )  # fmt: skip
    assert len(tune.tune_files(config, QUIET)) == 1
    assert dense_checkpoint.load(tmp_path / "tuned" / "dense.safetensors").info.training["library"]
    assert not (tmp_path / "tuned" / "features").exists()
    with pytest.raises(CheckpointError):
        tune.begin(str(table))
    assert replace(config, init="shipped").init == settings.SHIPPED
