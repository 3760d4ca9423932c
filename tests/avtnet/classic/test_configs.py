"""Every YAML of configs/ is read by its command, and says only what differs."""

from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from safetensors import safe_open

from avtnet.classic import checkpoints
from avtnet.classic.config import ModelConfig, TrainConfig
from avtnet.classic.first_weights import part_of
from avtnet.classic.model import build
from avtnet.classic.networks import NETWORKS
from avtnet.recipe import RecipeConfig
from clipping.config import dump, load
from ensemble.fuse import FuseConfig

FOLDER = Path(__file__).parents[3] / "configs"
PATHS = sorted(FOLDER.glob("*"))

# pattern of names → the dataclass that its command fills
READERS = {
    "avtnet*.yaml": TrainConfig,
    "ensemble.yaml": FuseConfig,
}


def reader(path):
    """The dataclass of a config file; exactly one pattern must fit."""
    [found] = [config for pattern, config in READERS.items() if fnmatch(path.name, pattern)]
    return found


def flat(values, prefix=""):
    """Nested dicts as dotted names."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def difference(path):
    """The settings of a file that are not the default's, by dotted name."""
    config = reader(path)
    defaults = dict(flat(dump(config())))
    return {
        name: value for name, value in flat(dump(load(config, path))) if value != defaults[name]
    }


def test_there_are_configs():
    assert len(PATHS) >= 10
    assert {pattern for path in PATHS for pattern in READERS if fnmatch(path.name, pattern)} == {
        *READERS
    }


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_config_loads_and_says_what_it_is(path):
    assert load(reader(path), path)
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize(
    "path", [path for path in PATHS if path.name != "ensemble.yaml"], ids=lambda path: path.name
)
def test_a_config_holds_only_what_differs(path):
    """(ensemble.yaml spells out the fusion's two defaults, as its comment says.)"""
    assert dict(flat(yaml.safe_load(path.read_text()))) == difference(path)


@pytest.mark.parametrize("size", ["", "_small", "_nano"])
def test_the_three_trainings_of_the_five_checkpoints(size):
    """What tells them apart is this table, and nothing else."""
    smaller = {"model.size": size[1:]} if size else {}
    if size == "_nano":  # as in the recipe, which was measured
        smaller |= {"lr": RecipeConfig().lr, "batch_size": RecipeConfig().batch_size}
    for name, settings in {
        "avtnet": {},
        "avtnet2_normalized": {"if_normal": True, "model.kind": "avtnet2"},
        "avtnet_yolt": {"data_seed": 2, "batch_size": 21, "model.kind": "avtnet_yolt"},
    }.items():
        folder = f"runs/{name}{size}"
        prefix = {"save_prefix": folder} if folder != str(TrainConfig().save_prefix) else {}
        assert difference(FOLDER / f"{name}{size}.yaml") == {
            **prefix,
            **settings,
            **smaller,
        }


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_trainings_on_what_avtnetdense_sees_differ_in_the_head_alone(kind):
    config = load(TrainConfig, FOLDER / f"{kind}_small_dense.yaml")
    assert config.save_prefix == Path("runs", f"{kind}_small_dense")
    assert config.model == ModelConfig(kind=kind, size="small_dense")
    other = load(TrainConfig, FOLDER / "avtnet_small_dense.yaml")
    assert replace(config, save_prefix=other.save_prefix, model=other.model) == other
    assert other.pretrained == "shipped"
    network = build(config.model)
    for name in config.frozen_parts:
        part_of(network, name)


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_old_name_of_a_size_is_still_read(kind, tmp_path):
    """In YAML files and checkpoints; the new one is what is written."""
    new = FOLDER / f"{kind}_small_dense.yaml"
    old = tmp_path / "old.yaml"
    old.write_text(new.read_text().replace("small_dense", "seeing"))
    config = load(TrainConfig, old)
    assert config.model == load(TrainConfig, new).model
    assert dump(config)["model"]["size"] == "small_dense"
    kept = FOLDER.parent / "weights" / "classic" / "avtnet" / "best.safetensors"
    with safe_open(kept, "numpy") as file:
        assert '"size": "seeing"' in file.metadata()["avtnet"]
    assert checkpoints.read_info(kept).model.size == "small_dense"
    with pytest.raises(ValueError, match="size is one of full, small, nano, small_dense"):
        ModelConfig(size="large")


def test_the_defaults_are_the_original_training():
    config = TrainConfig()
    assert (config.lr, config.batch_size, config.max_epoch) == (3e-4, 16, 64)
    assert (config.warmup_epoch, config.late_epochs) == (5, 0.6)
    assert config.model == ModelConfig(kind="avtnet", inputs="audio+video+text", size="full")
