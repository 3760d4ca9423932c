"""Feature files → tar shards → training, here and from storage."""

from __future__ import annotations

import tarfile
from collections import Counter
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from avtnet.classic.stream import ShardDataset, Share, collate
from clipping.errors import ClippingError, FeatureError
from clipping.identity import Source
from preprocess import Features, FeatureSettings, load, save
from preprocess.features import SIDES, feature_path
from preprocess.shards import ShardsConfig, main, pack, read_index, read_shard

SETTINGS = FeatureSettings(window=2.0, text_engine="none")
EPISODES = 10


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Twenty windows, whose frames tell them apart, and labels for all but one episode."""
    folder = tmp_path_factory.mktemp("made")
    labels = []
    for number in range(EPISODES):
        for side in SIDES:
            arrays = {
                "mfcc": np.full(SETTINGS.shapes["mfcc"], number, np.float32),
                "frames": np.random.default_rng(number).integers(
                    0, 256, SETTINGS.shapes["frames"], np.uint8
                ),
                "text": np.zeros(SETTINGS.shapes["text"], bool),
            }
            name = f"S1/{number:02}.5 夏"
            features = Features(
                **arrays,
                name=name,
                side=side,
                start=0.0,
                covered=2.0,
                duration=9.0,
                source=Source("x", 1, "y"),
                settings=SETTINGS,
            )
            save(features, feature_path(folder / "features", name, side))
            if number:
                labels.append(f"{name}_{side} {number + 0.5}\n")
    (folder / "labels.txt").write_text("".join(labels), encoding="utf-8")
    return folder


@pytest.fixture
def shards(made, tmp_path) -> Path:
    """Two windows a shard: the windows with labels."""
    one = next((made / "features").rglob("*.safetensors")).stat().st_size
    inputs, shard_mb = (str(made / "features"),), 1.5 * one / 10**6
    pack(ShardsConfig(inputs, tmp_path / "shards", made / "labels.txt", shard_mb))
    return tmp_path / "shards"


def seen(dataset) -> list[tuple[str, str]]:
    return [(features.name, features.side) for features, _ in dataset]


def test_all_windows_come_back_with_their_labels_and_the_same_bytes(made, shards):
    index = read_index(shards)
    assert len(index) == 9
    assert sum(shard.windows for shard in index) == 2 * (EPISODES - 1)
    dataset = ShardDataset(shards)
    items = list(dataset)
    assert len(items) == 2 * (EPISODES - 1)
    for features, seconds in items:
        kept = load(feature_path(made / "features", features.name, features.side))
        assert (features.frames == kept.frames).all()
        assert (features.mfcc == kept.mfcc).all()
        assert seconds == features.mfcc[0, 0] + 0.5
    for shard in index:
        for packed in read_shard(shards / shard.name):
            path = made / "features" / f"{packed.name}.safetensors"
            assert packed.features == path.read_bytes()


def test_each_epoch_has_an_order_of_its_own_that_the_seed_repeats(shards):
    dataset = ShardDataset(shards, seed=3)
    first = seen(dataset)
    assert first == seen(dataset)
    dataset.epoch = 1
    assert seen(dataset) != first
    assert sorted(seen(dataset)) == sorted(first)
    assert seen(ShardDataset(shards, seed=4)) != first


def test_processes_and_workers_share_the_windows_evenly(shards):
    parts = [ShardDataset(shards, rank=Share(rank, 2)) for rank in range(2)]
    everything = []
    for part in parts:
        loader = DataLoader(part, batch_size=2, num_workers=2, collate_fn=collate)
        batches = list(loader)
        assert all(isinstance(batch.frames, torch.Tensor) for batch, _ in batches)
        everything.append([float(target) for _, targets in batches for target in targets])
    assert len(everything[0]) == len(everything[1]) == 8, "four shards of two windows each"
    labels = Counter(round(target * 200 - 0.5) for part in everything for target in part)
    assert max(labels.values()) <= 2, "no window twice: a label stands for two windows"
    with pytest.raises(ClippingError, match="9 shards cannot be shared by 10 workers"):
        next(iter(ShardDataset(shards, rank=Share(0, 10))))


def test_shards_in_storage_are_those_of_this_machine(made, shards, tmp_path):
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.put(str(made / "features"), "/data/features", recursive=True)
    words = ["memory://data/features", "-o", "memory://data/shards"]
    assert main([*words, "--labels", str(made / "labels.txt")]) == 0
    assert (
        main(
            [
                "memory://data/features",
                "-o",
                str(tmp_path / "here"),
                "--labels",
                str(made / "labels.txt"),
            ]
        )
        == 0
    )
    [one] = (tmp_path / "here").glob("*.tar")
    assert memory.cat("/data/shards/shard-000000.tar") == one.read_bytes()
    assert sorted(seen(ShardDataset("memory://data/shards"))) == sorted(seen(ShardDataset(shards)))
    assert main([*words, "--labels", str(made / "labels.txt")]) == 1, "shards are never mixed"
    memory.store.clear()


def test_damage_and_strange_shards_are_refused(made, shards, tmp_path):
    first = shards / read_index(shards)[0].name
    whole = first.read_bytes()
    first.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FeatureError, match=first.name):
        seen(ShardDataset(shards))
    with tarfile.open(first, "w") as tar:
        link = tarfile.TarInfo("x.safetensors")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(FeatureError, match="is no file of a shard"):
        seen(ShardDataset(shards))
    with tarfile.open(first, "w"):
        pass
    with pytest.raises(FeatureError, match="holds 0 windows, not the 2"):
        seen(ShardDataset(shards))
    (shards / "shards.json").write_text('{"shards": [{"name": "../x", "windows": 1}]}')
    with pytest.raises(ClippingError, match="is no index of shards"):
        ShardDataset(shards)
    with pytest.raises(ClippingError, match=r"preprocess\.shards"):
        ShardDataset(tmp_path)
    pack(ShardsConfig((str(made / "features"),), tmp_path / "all"))
    with pytest.raises(FeatureError, match="has no label; pack with --labels"):
        seen(ShardDataset(tmp_path / "all"))
