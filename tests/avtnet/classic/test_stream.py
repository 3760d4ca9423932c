"""Training from shards: the windows of the folder they were packed of, wherever they lie."""

from __future__ import annotations

import csv
import dataclasses
import tarfile

import fsspec
import pytest
import torch
from making.stops import interrupted
from making.windows import NANO, SETTINGS, make_data, make_features
from safetensors.torch import load_file

from avtnet.classic.dataset import WindowDataset, read_windows
from avtnet.classic.stream import ShardSource
from avtnet.train import main, train
from clipping.errors import ClippingError, FeatureError
from clipping.learning.processes import Process
from preprocess.features import feature_path, save
from preprocess.shards import ShardsConfig, pack, read_index

COUNT = 14


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"), COUNT)


@pytest.fixture(scope="module")
def shards(data, tmp_path_factory):
    """Two or three windows in each."""
    folder = tmp_path_factory.mktemp("shards")
    one = next((data / "features").rglob("*.safetensors")).stat().st_size
    pack(ShardsConfig((str(data / "features"),), folder, data / "labels.txt", 2.2 * one / 1e6))
    assert len(read_index(folder)) >= 5
    return folder


def source(shards, process=None, **settings):
    usual = {"batch_size": 4, "seed": 3, "threads": 2}
    return ShardSource(shards, process or Process(), **{**usual, **settings})


def steps(source, count, first=0):
    """Batches as (inputs, target), of so many steps."""
    batches = source.batches(first)
    taken = [next(batches) for _ in range(count)]
    batches.close()
    return taken


def same(one, two):
    return all(
        torch.equal(a, b)
        for a, b in zip((*one.batch, one.target), (*two.batch, two.target), strict=True)
    )


@pytest.mark.parametrize("reverse_ends", [False, True])
def test_an_epoch_holds_the_windows_of_the_folder_as_they_are(data, shards, reverse_ends):
    found = WindowDataset(read_windows(data)[0], reverse_ends=reverse_ends)
    folder = {}
    for index in range(COUNT):
        batch, target = found.read([index])
        folder[batch.mfcc.numpy().tobytes()] = (batch, target)
    streamed = source(shards, batch_size=7, reverse_ends=reverse_ends)
    assert streamed.settings == found.settings
    assert streamed.epoch_steps == 2
    taken = steps(streamed, 4)
    assert not same(taken[0], taken[2]), "each epoch has another order"
    for epoch in (taken[:2], taken[2:]):
        seen = []
        for one in epoch:
            for row in range(7):
                seen.append(one.batch.mfcc[row : row + 1].numpy().tobytes())
                batch, target = folder[seen[-1]]
                assert torch.equal(one.batch.frames[row], batch.frames[0])
                assert torch.equal(one.batch.text[row], batch.text[0])
                assert one.target[row] == target[0]
        assert sorted(seen) == sorted(folder), "each window once"


def test_a_step_holds_the_same_whoever_reads_and_wherever_it_begins(shards):
    whole = steps(source(shards), 7)
    for threads in (0, 1, 3):
        assert all(map(same, whole, steps(source(shards, threads=threads), 7)))
    assert all(map(same, whole[2:], steps(source(shards), 5, first=2)))
    assert not same(whole[0], steps(source(shards, seed=4), 1)[0])


def test_processes_share_the_shards_and_a_batch(shards):
    parts = [source(shards, Process(rank, 2), batch_size=3) for rank in range(2)]
    assert parts[0].epoch_steps == parts[1].epoch_steps >= 2
    count = parts[0].epoch_steps
    seen = []
    for part, rows in zip(parts, (2, 1), strict=True):
        for one in steps(part, count):
            assert len(one.target) == rows
            seen += [row.numpy().tobytes() for row in one.batch.mfcc]
    assert len(set(seen)) == len(seen) == 3 * count, "no window twice in an epoch"
    with pytest.raises(ClippingError, match=r"shards cannot be shared by 90 processes"):
        source(shards, Process(0, 90), batch_size=90)
    with pytest.raises(ClippingError, match="lower --batch-size"):
        source(shards, batch_size=COUNT + 1)


def config_of(data, shards, run, **settings):
    from making.windows import small_training

    return small_training(data, run, shards=str(shards), val_root=data, model=NANO, **settings)


def test_a_training_streams_is_interrupted_and_goes_on(data, shards, tmp_path, capsys):
    whole = config_of(data, shards, tmp_path / "whole", resume=True)
    weights = load_file(train(whole) / "epoch002.safetensors")
    assert f"{COUNT} windows train, {COUNT} validate" in capsys.readouterr().err
    parted = dataclasses.replace(whole, save_prefix=tmp_path / "parted")
    interrupted(lambda: train(parted), 4)
    again = load_file(train(parted) / "epoch002.safetensors")
    assert all(torch.equal(value, again[name]) for name, value in weights.items())


def test_it_streams_from_storage_by_two_processes(data, shards, tmp_path):
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.put(str(shards), "/shards", recursive=True)
    here, there = steps(source(shards), 3), steps(source("memory://shards"), 3)
    memory.store.clear()
    assert all(map(same, here, there))
    two = config_of(data, shards, tmp_path / "two", processes=2, max_epoch=1, warmup_epoch=0)
    (row,) = csv.DictReader((train(two) / "metrics.csv").read_text().splitlines())
    assert 0 < float(row["train_loss"]) < 200


def test_what_cannot_be_streamed_is_said(data, shards, tmp_path, capsys):
    words = ["--shards", str(shards), "--save-prefix", str(tmp_path / "run")]
    for more, said in ((), "--val-root"), (("--val-root", str(data), "--song-loss=1"), "songs lie"):
        with pytest.raises(SystemExit):
            main([*words, *more])
        assert said in capsys.readouterr().err
    assert main(["--shards", str(tmp_path), "--val-root", str(data), *words[2:]]) == 1
    assert "preprocess.shards" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def copied(shards, folder):
    folder.mkdir()
    for path in shards.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder, folder / read_index(folder)[0].name


def test_damage_and_strange_shards_are_refused(data, shards, tmp_path):
    folder, first = copied(shards, tmp_path / "damaged")
    whole = first.read_bytes()
    first.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FeatureError, match=first.name):
        steps(source(folder), 3)
    with tarfile.open(first, "w") as tar:
        link = tarfile.TarInfo("x.safetensors")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(FeatureError, match="is no file of a shard"):
        source(folder)
    with tarfile.open(first, "w"):
        pass
    with pytest.raises(FeatureError, match="holds 0 windows, not the"):
        source(folder)
    pack(ShardsConfig((str(data / "features"),), tmp_path / "all"))
    with pytest.raises(FeatureError, match="has no label; pack with --labels"):
        steps(source(tmp_path / "all"), 1)


def test_windows_of_other_settings_are_refused_by_name(tmp_path):
    data = make_data(tmp_path / "data", 4)
    other = dataclasses.replace(SETTINGS, sample_rate=16000)
    path = feature_path(data / "features", "ep00", "start")
    save(make_features("ep00", "start", 20, other), path)
    pack(ShardsConfig((str(data / "features"),), tmp_path / "mixed", data / "labels.txt"))
    with pytest.raises(FeatureError, match=r"ep0\d_.*: made with other settings"):
        steps(source(tmp_path / "mixed"), 1)
