"""Training: what a run leaves behind, and that it can be interrupted, resumed and shared."""

import csv
import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from making.stops import interrupted
from making.windows import NANO, make_data, small_training
from safetensors.torch import load_file

from avtnet.classic.checkpoints import load
from avtnet.classic.config import ModelConfig, TrainConfig
from avtnet.classic.dataset import EpochBatches, read_windows, split
from avtnet.classic.fit import classic_run_folder, learning_rate
from avtnet.train import main, train
from clipping.config import restore
from clipping.errors import CheckpointError, ClippingError, ConfigError
from clipping.learning.loop import State
from clipping.learning.run_folder import write_metrics


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def config(data, tmp_path):
    return small_training(data, tmp_path / "run")


def read_rows(folder):
    return list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))


def weights(folder, name="epoch002.safetensors"):
    return load_file(folder / name)


def test_a_run_leaves_all_that_explains_and_repeats_it(config):
    folder = train(config)

    assert restore(TrainConfig, yaml.safe_load((folder / "config.yaml").read_text())) == config
    rows = read_rows(folder)
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert {"train_loss", "score", "score_start", "score_end", "mae", "hit@1"} <= set(rows[0])
    assert (folder / "curve.png").read_bytes()[:4] == b"\x89PNG"
    assert (folder / "versions.json").exists()
    assert list(folder.glob("events.out.tfevents.*"))
    # 60 % of 3 epochs: from epoch 1.8 on
    assert sorted(path.name for path in folder.glob("epoch*")) == ["epoch002.safetensors"]
    best = load(folder / "best.safetensors")
    assert best.info.metrics["score"] == min(float(row["score"]) for row in rows)
    assert best.info.model == NANO
    assert restore(TrainConfig, best.info.training) == config


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_the_share_of_time_spent_waiting_is_told_and_who_reads_changes_nothing(
    config, tmp_path, threads
):
    folder = train(dataclasses.replace(config, num_workers=threads))
    rows = read_rows(folder)
    assert all(0 <= float(row["waiting"]) <= 1 for row in rows)
    # What is read in between is waited for, all of it.
    assert threads or all(float(row["waiting"]) > 0 for row in rows)
    assert "waiting" not in load(folder / "best.safetensors").info.metrics
    other = weights(train(dataclasses.replace(config, save_prefix=tmp_path / "other")))
    assert all(torch.equal(value, other[name]) for name, value in weights(folder).items())


def test_a_run_begun_before_waiting_was_told_goes_on(config):
    config.save_prefix.mkdir()
    rows = [{"epoch": 0, "score": 3.0}, {"epoch": 1, "score": 2.0, "waiting": 0.25}]
    write_metrics(config.save_prefix, rows)
    assert [row["waiting"] for row in read_rows(config.save_prefix)] == ["", "0.25"]


def test_a_test_says_again_what_the_best_epoch_reached(config, capsys):
    best = train(config) / "best.safetensors"
    reached = load(best).info.metrics["score"]
    before = {path: path.stat().st_mtime_ns for path in config.save_prefix.iterdir()}
    capsys.readouterr()
    train(dataclasses.replace(config, test=True, weights=best))
    assert f"validation score {reached:.2f} s" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in config.save_prefix.iterdir()} == before


def test_training_learns_where_the_boundary_is(config):
    longer = dataclasses.replace(config, max_epoch=40, batch_size=6, lr=5e-3)
    rows = read_rows(train(longer))
    assert float(rows[-1]["train_loss"]) < 0.4 * float(rows[0]["train_loss"])


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(config, tmp_path):
    first = weights(train(config))
    again = weights(train(dataclasses.replace(config, save_prefix=tmp_path / "again")))
    other = weights(train(dataclasses.replace(config, save_prefix=tmp_path / "other", seed=1)))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize(("looks", "changed"), [(0, False), (1, False), (3, False), (1, True)])
def test_an_interrupted_run_continued_equals_an_uninterrupted_one(config, tmp_path, looks, changed):
    if changed:  # what is drawn for a step depends on its place alone
        config = dataclasses.replace(config, augment=True, steps_loss=1.0)
    whole = weights(train(config))
    parted = dataclasses.replace(config, save_prefix=tmp_path / "parted", resume=True)
    interrupted(lambda: train(parted), looks)
    assert classic_run_folder(parted).read(State).step % 3 > 0  # inside an epoch: the harder case
    resumed = weights(train(parted))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    one, two = (
        [{**row, "waiting": ""} for row in read_rows(folder)]
        for folder in (config.save_prefix, parted.save_prefix)
    )
    assert one == two


@pytest.mark.parametrize(
    ("processes", "sent"), [(1, signal.SIGINT), (2, signal.SIGTERM)], ids=["alone", "two"]
)
def test_ctrl_c_keeps_the_run_and_says_so(config, tmp_path, processes, sent):
    words = [
        *("--data_root", str(config.data_root), "--save_prefix", str(tmp_path / "killed")),
        *("--batch_size=4", "--max_epoch=5000", "--warmup_epoch=1", "--late_epochs=1"),
        *("--model.size=nano", "--model.hidden=8", f"--processes={processes}"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "avtnet.train", *words],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    last = tmp_path / "killed" / "last.pt"
    while not last.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(sent)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted" in said
    state = torch.load(last, weights_only=True)
    assert state["step"] > 0
    log = (tmp_path / "killed" / "rank-0.log").read_text()
    assert f"rank 0 of {processes} on cpu" in log
    assert "epoch 0: loss" in log
    assert (tmp_path / "killed" / "best.safetensors").exists()


@pytest.mark.parametrize("kind", ["avtnet", "avtnet_yolt"])
def test_two_processes_give_the_weights_of_one(config, tmp_path, kind):
    """The same global batch, unevenly shared: gradients, batch norms, YOLT's second term.

    Without dropout: each process draws its own, as it must.
    """
    model = dataclasses.replace(NANO, kind=kind, dropout=False)
    one = dataclasses.replace(config, model=model, batch_size=5, save_prefix=tmp_path / "one")
    two = dataclasses.replace(one, processes=2, save_prefix=tmp_path / "two")
    alone, shared = weights(train(one)), weights(train(two))
    for name, value in alone.items():
        # The statistics of batch norms are variances of hundreds: theirs is a relative bound.
        rtol = 1e-4 if "running" in name else 0
        torch.testing.assert_close(shared[name], value, atol=1e-4, rtol=rtol, msg=name)
    assert (one.save_prefix / "metrics.csv").exists()


def test_accumulated_batches_move_the_weights_once(config, tmp_path):
    """Four batches of 2, added up in pairs: as many moves as with batches of 4."""
    halves = dataclasses.replace(
        config, batch_size=2, accumulation_step=2, save_prefix=tmp_path / "halves"
    )
    train(config)
    train(halves)
    moves = [
        torch.load(folder / "last.pt", weights_only=True)["optimizer"]["state"][0]["step"].item()
        for folder in (config.save_prefix, halves.save_prefix)
    ]
    assert moves == [9, 9]  # 12 windows, 3 epochs


def test_a_batch_holds_the_same_windows_however_many_share_it():
    whole = EpochBatches(23, 6, seed=3, epoch=2).batches
    parts = [EpochBatches(23, 6, seed=3, epoch=2, rank=rank, ranks=2).batches for rank in (0, 1)]
    for batch, first, second in zip(whole, *parts, strict=True):
        assert sorted(batch) == sorted(first + second)
    assert whole != EpochBatches(23, 6, seed=3, epoch=3).batches
    assert EpochBatches(3, 16, seed=0, epoch=0).batches[0] != []


def test_the_split_rotates_and_takes_every_seventh(data):
    windows, _ = read_windows(data)
    for data_seed in (0, 2, 9):
        train_windows, validated = split(windows, data_seed)
        assert validated == [windows[data_seed % 7], windows[data_seed % 7 + 7]]
        assert sorted(train_windows + validated, key=windows.index) == windows


def test_other_windows_validate_where_a_folder_of_them_is_named(config, tmp_path, capsys):
    others = make_data(tmp_path / "others", count=4, seed=3)
    folder = train(dataclasses.replace(config, val_root=others, max_epoch=1))
    count, held = (len(read_windows(where)[0]) for where in (config.data_root, others))
    assert f"{count} windows train, {held} validate" in capsys.readouterr().err
    capsys.readouterr()
    best = folder / "best.safetensors"
    train(dataclasses.replace(config, val_root=others, test=True, weights=best))
    assert f"validation score {load(best).info.metrics['score']:.2f} s" in capsys.readouterr().err


def test_changed_windows_and_a_loss_on_steps_train_other_weights(config, tmp_path):
    plain = weights(train(config))
    for name, value in (("augment", True), ("steps_loss", 1.0)):
        other = dataclasses.replace(config, save_prefix=tmp_path / name, **{name: value})
        made = weights(train(other))
        assert not all(torch.equal(plain[key], made[key]) for key in plain)


def test_the_rate_climbs_then_falls():
    config = TrainConfig(lr=1.0, max_epoch=64, warmup_epoch=5)
    rates = [learning_rate(config, epoch) for epoch in (0, 2.5, 5, 34.5, 64)]
    assert rates == pytest.approx([0.1, 0.55, 1.0, 0.5, 0.0])


def test_a_second_run_in_the_same_folder_is_refused(config):
    train(config)
    with pytest.raises(ConfigError, match="--resume"):
        train(config)
    with pytest.raises(ConfigError, match=r"lr \(then 0.001, now 0.5\)"):
        train(dataclasses.replace(config, resume=True, lr=0.5))
    train(dataclasses.replace(config, overwrite=True))


def test_bad_data_is_told_by_name(tmp_path, config, capsys):
    with pytest.raises(ClippingError, match=r"labels\.txt: not there"):
        train(dataclasses.replace(config, data_root=tmp_path / "nothing"))
    (tmp_path / "labels.txt").write_text("ep_start 12\n")
    with pytest.raises(ClippingError, match="python -m preprocess"):
        train(dataclasses.replace(config, data_root=tmp_path))
    assert main(["--data_root", str(tmp_path / "nothing")]) == 1
    assert "labels.txt" in capsys.readouterr().err


def test_a_gpu_that_is_not_there_is_said(config):
    with pytest.raises(ConfigError, match=r"--gpus 98,99: torch sees \d+ GPUs"):
        train(dataclasses.replace(config, gpus="98,99"))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_damaged_feature_file_is_named_however_many_train(config, tmp_path, processes):
    broken = make_data(tmp_path / "broken")
    path = broken / "features" / "ep03_start.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ClippingError, match="ep03_start"):
        train(dataclasses.replace(config, data_root=broken, processes=processes))


def test_settings_out_of_range_say_what_would_be_right():
    with pytest.raises(ValueError, match="--batch-size 2 is less than one for each of 3 devices"):
        TrainConfig(gpus="0,1,2", batch_size=2)
    with pytest.raises(ValueError, match="--gpus is all"):
        TrainConfig(gpus="first")
    with pytest.raises(ValueError, match="--weights"):
        TrainConfig(test=True)


def test_weights_start_a_training_and_can_be_tested(config, tmp_path, capsys):
    best = train(config) / "best.safetensors"
    train(dataclasses.replace(config, test=True, weights=best))
    assert "validation score" in capsys.readouterr().err
    train(dataclasses.replace(config, weights=best, save_prefix=tmp_path / "second"))
    assert "starting from" in capsys.readouterr().err


def test_mixed_precision_and_one_reading_thread_train_too(config):
    folder = train(dataclasses.replace(config, use_amp=True, num_workers=1, max_epoch=1))
    (row,) = read_rows(folder)
    assert 0 < float(row["train_loss"]) < 200
    assert all(
        value.dtype != torch.bfloat16 for value in load_file(folder / "best.safetensors").values()
    )


def test_weights_of_another_network_are_refused(config, tmp_path):
    best = train(dataclasses.replace(config, max_epoch=1)) / "best.safetensors"
    other = dataclasses.replace(
        config, weights=best, model=ModelConfig(size="nano"), save_prefix=tmp_path / "other"
    )
    with pytest.raises(CheckpointError, match="another network"):
        train(other)


def test_weights_start_a_network_that_differs_in_what_has_no_weights(config, tmp_path):
    """Dropout, for one: --weights X --model.dropout false goes on without it."""
    best = train(dataclasses.replace(config, max_epoch=1)) / "best.safetensors"
    without = dataclasses.replace(NANO, dropout=False)
    on = dataclasses.replace(config, weights=best, model=without, save_prefix=tmp_path / "on")
    last = load(train(on) / "epoch002.safetensors")
    assert last.info.model == without
    assert not any(part.p for part in last.network.modules() if isinstance(part, torch.nn.Dropout))


@pytest.mark.parametrize("setting", ["weights", "pretrained"])
def test_first_weights_that_cannot_be_used_leave_no_folder(config, tmp_path, setting):
    gone = tmp_path / "gone.safetensors"
    value = gone if setting == "weights" else str(gone)
    with pytest.raises(CheckpointError, match="cannot be read"):
        train(dataclasses.replace(config, **{setting: value}))
    assert not config.save_prefix.exists()


def test_frozen_parts_keep_their_weights_and_the_rest_moves(config, tmp_path):
    first = train(config) / "best.safetensors"
    before = load_file(first)
    frozen = dataclasses.replace(
        config,
        save_prefix=tmp_path / "frozen",
        weights=first,
        frozen="video.text, audio.stem",
        max_epoch=1,
        warmup_epoch=0,
    )
    after = load_file(train(frozen) / "best.safetensors")
    assert after.keys() == before.keys()
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    kept = after.keys() - moved
    assert {name for name in after if name.startswith(("video.text", "audio.stem"))} <= kept
    assert any(name.startswith("video.frames") for name in moved)
    assert any(name.startswith("audio.stages") for name in moved)
    with pytest.raises(ConfigError, match=r"no such part; it has video, video\.frames"):
        train(dataclasses.replace(frozen, save_prefix=tmp_path / "none", frozen="video.txt"))
    assert not (tmp_path / "none").exists()
