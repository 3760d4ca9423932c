"""Feature files → tar shards, here and in storage."""

from __future__ import annotations

import tarfile
from pathlib import Path

import fsspec
import numpy as np
import pytest

from clipping.errors import ClippingError, FeatureError
from clipping.identity import Source
from clipping.storage import local
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


def windows_of(folder) -> list:
    """All windows of a folder of shards."""
    return [packed for shard in read_index(folder) for packed in read_shard(folder / shard.name)]


def test_all_windows_come_back_with_their_labels_and_the_same_bytes(made, shards):
    index = read_index(shards)
    assert len(index) == 9
    assert sum(shard.windows for shard in index) == 2 * (EPISODES - 1)
    packed = windows_of(shards)
    assert len({each.name for each in packed}) == len(packed) == 2 * (EPISODES - 1)
    for each in packed:
        path = made / "features" / f"{each.name}.safetensors"
        assert each.features == path.read_bytes()
        assert each.seconds == load(path).mfcc[0, 0] + 0.5


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
    names = sorted(each.name for each in windows_of(local("memory://data/shards")))
    assert names == sorted(each.name for each in windows_of(shards))
    assert main([*words, "--labels", str(made / "labels.txt")]) == 1, "shards are never mixed"
    memory.store.clear()


def test_damage_and_strange_shards_are_refused(made, shards, tmp_path):
    first = shards / read_index(shards)[0].name
    whole = first.read_bytes()
    first.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FeatureError, match=first.name):
        windows_of(shards)
    with tarfile.open(first, "w") as tar:
        link = tarfile.TarInfo("x.safetensors")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(FeatureError, match="is no file of a shard"):
        windows_of(shards)
    (shards / "shards.json").write_text('{"shards": [{"name": "../x", "windows": 1}]}')
    with pytest.raises(ClippingError, match="is no index of shards"):
        read_index(shards)
    with pytest.raises(ClippingError, match=r"preprocess\.shards"):
        read_index(tmp_path)
