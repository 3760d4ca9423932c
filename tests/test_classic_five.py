"""benchmarks/classic: the five checkpoints that are kept are the recipe's, and answer."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from make_pieces import render_pieces

from avtnet import checkpoints, compose
from avtnet.dataset import read_windows
from avtnet.recipe import CHECKPOINTS, TRAININGS
from preprocess.features import load

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
KEPT = BENCHMARKS / "classic"


@pytest.fixture(scope="module")
def methods():
    path = BENCHMARKS / "accuracy_methods.py"
    spec = importlib.util.spec_from_file_location("accuracy_methods", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for their names
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def twice_as_large(features):
    """Pictures of the usual size, as files have them, from composed ones."""
    frames = features.frames.repeat(2, axis=2).repeat(2, axis=3)
    settings = replace(features.settings, frame_height=66, frame_width=88)
    return replace(features, frames=frames, settings=settings)


def test_each_is_the_network_that_the_recipe_names():
    for name, epoch in CHECKPOINTS:
        kept = KEPT / name
        path = kept / "best.safetensors" if epoch == "best" else max(kept.glob("epoch*"))
        info = checkpoints.read_info(path)
        assert info.model.kind == TRAININGS[name].model.kind
        assert info.model.size == "seeing"
        assert info.reverse_ends


def test_all_name_a_place_in_a_window_and_fused_it_lies_among_theirs(methods, tmp_path):
    pieces = render_pieces(tmp_path / "library")
    words = ["--library", str(pieces), "--output", str(tmp_path / "windows"), "--windows", "2"]
    assert compose.main(words) == 0
    five = dict(methods.five(KEPT))
    assert len(five) == len(CHECKPOINTS) + 1
    for found in read_windows(tmp_path / "windows")[0]:
        features = twice_as_large(load(found.path))
        side = "start" if found.path.name.endswith("_start.safetensors") else "end"
        window = methods.Window(features, side, None)
        answers = [method(window) for method in five.values()]
        places = [each.end if side == "start" else each.start for each in answers]
        *alone, fused = places
        assert all(features.start <= each <= features.start + 200 for each in alone)
        assert min(alone) <= fused <= max(alone)
        assert len(set(alone)) == len(CHECKPOINTS) - 1, "AVTNet2's best epoch is its last"
