"""weights/classic: the five checkpoints that are kept are the recipe's, and answer."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import replace
from pathlib import Path

import yaml
from making.pieces import render_pieces

from avtnet import compose
from avtnet.classic import checkpoints
from avtnet.classic.dataset import read_windows
from avtnet.recipe import CHECKPOINTS, TRAININGS
from preprocess.features import load

# Behind everything else: that folder has a preprocess.py.
sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))

from accuracy_methods import Window, five

ROOT = Path(__file__).parents[3]
KEPT = ROOT / "weights" / "classic"


def twice_as_large(features):
    """Pictures of the usual size, as files have them, from composed ones."""
    frames = features.frames.repeat(2, axis=2).repeat(2, axis=3)
    settings = replace(features.settings, frame_height=66, frame_width=88)
    return replace(features, frames=frames, settings=settings)


def test_each_is_the_network_that_the_recipe_names():
    paths = sorted(KEPT.glob("*/*.safetensors"))
    assert {path.parent.name for path in paths} == set(TRAININGS)
    for path in paths:
        info = checkpoints.read_info(path)
        assert info.model.kind == TRAININGS[path.parent.name].model.kind
        assert info.model.size == "small_dense"
        assert info.reverse_ends


def test_all_name_a_place_in_a_window_and_fused_it_lies_among_theirs(tmp_path):
    pieces = render_pieces(tmp_path / "library")
    words = ["--library", str(pieces), "--output", str(tmp_path / "windows"), "--windows", "2"]
    assert compose.main(words) == 0
    methods = dict(five(KEPT))
    assert len(methods) == len(CHECKPOINTS) + 1
    for found in read_windows(tmp_path / "windows")[0]:
        features = twice_as_large(load(found.path))
        side = "start" if found.path.name.endswith("_start.safetensors") else "end"
        window = Window(features, side, None)
        answers = [method(window) for method in methods.values()]
        places = [each.end if side == "start" else each.start for each in answers]
        *alone, fused = places
        assert all(features.start <= each <= features.start + 200 for each in alone)
        assert min(alone) <= fused <= max(alone)
        assert len(set(alone)) == len(CHECKPOINTS) - 1, "AVTNet2's best epoch is its last"


def test_each_lies_in_one_folder_once_and_the_size_hook_names_it():
    """And outside of the packages, so in no wheel."""
    paths = [path for path in ROOT.rglob("*.safetensors") if tracked(path)]
    weights = [path for path in paths if path.stat().st_size > 512_000]
    folders = {path.relative_to(ROOT).parts[0] for path in weights}
    assert folders == {"weights", "avtnet"}
    contents = {hashlib.sha256(path.read_bytes()).hexdigest() for path in weights}
    assert len(contents) == len(weights)
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    (excluded,) = [hook["exclude"] for hook in hooks if hook["id"] == "no-large-files"]
    assert all(re.search(excluded, path.relative_to(ROOT).as_posix()) for path in weights)


def tracked(path):
    """Of the repository, not of an environment or a build in it."""
    return path.relative_to(ROOT).parts[0] in ("weights", "avtnet", "benchmarks", "docs", "tests")
