"""Checkpoints and runs that were written before the code moved into rooms are read as then.

tests/written_before/README.md says which command wrote them.
"""

import dataclasses
import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from making.windows import make_data

from avtnet.classic import checkpoints
from avtnet.classic.config import TrainConfig
from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.train import main as train
from clipping.config import dump, restore

ROOT = Path(__file__).parents[2]
BEFORE = ROOT / "tests" / "written_before"
THEN = json.loads((BEFORE / "expected.json").read_text(encoding="utf-8"))


def plain(value):
    """Values as JSON keeps them."""
    return json.loads(json.dumps(value))


def checkpoint_path(name):
    return ROOT / name.removeprefix("REPO/") if name.startswith("REPO/") else BEFORE / name


def agrees(info, then, fields):
    for field in fields:
        value = getattr(info, field)
        told = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
        assert plain(told) == then[field], field
    assert plain(info.features.decisive()) == then["features"]


@pytest.mark.parametrize("name", THEN["classic"])
def test_checkpoints_of_the_originals_networks_answer_as_before(name):
    then, checkpoint = THEN["classic"][name], checkpoints.load(checkpoint_path(name))
    fields = ("model", "if_normal", "reverse_ends", "epoch", "metrics", "trained_on")
    agrees(checkpoint.info, then, fields)
    shapes, random = checkpoint.info.features.shapes, np.random.default_rng(7)
    inputs = (
        random.standard_normal((1, *shapes["mfcc"])) * 20,
        random.random((1, *shapes["frames"])),
        random.random((1, *shapes["text"])) < 0.2,
    )
    with torch.inference_mode():
        out = checkpoint.network(*(torch.from_numpy(each.astype(np.float32)) for each in inputs))
    np.testing.assert_allclose(out.position, then["position"], atol=1e-5)
    np.testing.assert_allclose(out.values[0][0, :8], then["values"], atol=1e-4)


@pytest.mark.parametrize("name", THEN["dense"])
def test_checkpoints_of_avtnetdense_answer_as_before(name):
    then, checkpoint = THEN["dense"][name], dense_checkpoint.load(checkpoint_path(name))
    agrees(checkpoint.info, then, ("model", "scale", "offset", "trained_on", "metrics"))
    random = np.random.default_rng(7)
    inputs = (
        random.standard_normal((1, 20, 40 * 24)) * 20,
        random.random((1, 24, 3, 33, 44)),
        random.random((1, 24, 27, 36)) < 0.2,
        random.random((1, 24, 5)),
    )
    with torch.inference_mode():
        out = checkpoint.network(*(torch.from_numpy(each.astype(np.float32)) for each in inputs))
    np.testing.assert_allclose(out.classes[0, 12], then["classes"], atol=1e-4)
    np.testing.assert_allclose(out.peaks[0, 12], then["peaks"], atol=1e-4)
    np.testing.assert_allclose(out.offsets[0, 12, 0, :5], then["offsets"], atol=1e-4)


def test_the_settings_of_a_run_are_understood():
    values = yaml.safe_load((BEFORE / "train-run" / "config.yaml").read_text())
    now, then = dump(restore(TrainConfig, values)), THEN["train_run"]["config"]
    assert {name: now[name] for name in then} == then


def test_a_run_that_was_interrupted_then_says_that_it_cannot_go_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(BEFORE / "train-run", "train-run")
    run = Path("train-run")
    (run / "last.pt").write_bytes(gzip.decompress((run / "last.pt.gz").read_bytes()))
    make_data(Path("train-data"), count=8)
    before = {path: path.read_bytes() for path in run.iterdir()}
    assert train(["--config", "train-run/config.yaml", "--resume"]) == 1
    assert "written by another version of this program" in " ".join(capsys.readouterr().err.split())
    assert {path: path.read_bytes() for path in run.iterdir()} == before

    # Its checkpoint can be first weights.
    words = ["--config", "train-run/config.yaml", "--weights", "train-run/best.safetensors"]
    assert train([*words, "--save_prefix", "next", "--max_epoch", "1"]) == 0
    assert checkpoints.load("next/best.safetensors").info.epoch == 0
