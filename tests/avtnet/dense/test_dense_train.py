"""AVTNetDense's training: what it keeps, how it goes on, what it says of damaged pieces."""

from __future__ import annotations

import itertools
import os
import signal

import pytest
import torch
from making.pieces import render_pieces

from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.dense import training
from avtnet.dense.settings import DenseConfig
from avtnet.dense.train_settings import DenseTrainConfig
from avtnet.dense_train import main
from avtnet.synthesis import library

WORDS = (
    "--shards 1 --validation_shards 1 --validation 2 --steps 4 --batch_size 2 --validate_every 2 "
    "--model.width 16 --model.dilations 1 2 --model.sound 8 8 8 --model.frames 8 8 --model.text 8 8"
).split()


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """A folder of rendered pieces of 8 s, one of each kind."""
    return render_pieces(tmp_path_factory.mktemp("library"))


def test_training_keeps_a_network_and_goes_on_as_if_never_interrupted(
    tmp_path, pieces, monkeypatch, capsys
):
    words = [*WORDS, "--library", str(pieces)]
    assert main([*words, "--output", str(tmp_path / "whole")]) == 0
    made = dense_checkpoint.load(tmp_path / "whole" / "dense.safetensors")
    assert made.info.model.width == 16
    assert {"f1", "hit1", "false"} <= made.info.metrics.keys()
    rows = (tmp_path / "whole" / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "2", "4"]

    first = [*words, "--output", str(tmp_path / "parts")]
    loss = training.DenseTraining.loss
    steps = itertools.count()

    def interrupted(task, forward, batch):
        if next(steps) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(task, forward, batch)

    monkeypatch.setattr(training.DenseTraining, "loss", interrupted)
    assert main(first) == 130
    monkeypatch.undo()
    assert main(first) == 1
    assert "--resume" in capsys.readouterr().err
    assert main([*first, "--resume", "--lr", "0.5"]) == 1
    assert "lr (then 0.002, now 0.5)" in capsys.readouterr().err
    assert main([*first, "--resume", "--num_workers", "1"]) == 0
    again = dense_checkpoint.load(tmp_path / "parts" / "dense.safetensors")
    for name, tensor in made.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name
    (tmp_path / "parts" / "last.pt").write_bytes(b"damaged")
    assert main([*first, "--resume"]) == 1
    assert main([*first, "--overwrite", "--steps", "2"]) == 0


def test_two_processes_share_a_batch_and_go_on(tmp_path, pieces, capsys):
    words = [*WORDS, "--library", str(pieces), "--output", str(tmp_path), "--processes", "2"]
    with pytest.raises(SystemExit):
        main([*words, "--batch_size", "1"])
    assert "processes is 1 to 256, and at most batch_size" in capsys.readouterr().err
    assert main([*words, "--steps", "2"]) == 0
    assert "rank 1 of 2 on cpu" in (tmp_path / "rank-1.log").read_text()
    steps = [torch.load(tmp_path / "last.pt", weights_only=True)["step"]]
    assert main([*words, "--steps", "2", "--resume"]) == 0
    steps.append(torch.load(tmp_path / "last.pt", weights_only=True)["step"])
    assert steps == [2, 2]
    norms = dense_checkpoint.load(tmp_path / "dense.safetensors").network.state_dict()
    assert all(value.isfinite().all() for value in norms.values())


def test_what_is_missing_is_rendered_and_what_is_damaged_is_named(tmp_path, pieces, capsys):
    (tmp_path / "library").mkdir()
    for split in ("train", "val"):
        path = library.shard_path(tmp_path / "library", split, 0)
        path.write_bytes(library.shard_path(pieces, split, 0).read_bytes())
    words = [*WORDS, "--output", str(tmp_path / "run"), "--library", str(tmp_path / "library")]
    path.write_bytes(b"damaged")
    assert main(words) == 1
    assert "val-0000.safetensors" in capsys.readouterr().err
    assert DenseTrainConfig(output=tmp_path / "run").model == DenseConfig()
    assert main([*words, "--overwrite", "--device", "nowhere"]) == 1
    assert "--device nowhere" in capsys.readouterr().err


@pytest.mark.slow
def test_a_file_of_pieces_is_rendered_by_the_training_itself(tmp_path):
    words = [*WORDS, "--output", str(tmp_path / "run"), "--num_workers", "2"]
    assert main(words) == 0
    made = sorted(path.name for path in (tmp_path / "run" / "library").iterdir())
    assert made == ["train-0000.safetensors", "val-0000.safetensors"]
