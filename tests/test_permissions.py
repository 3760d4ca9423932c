"""Files that a user may not read or write are named; the rest is done.

Permissions do not bind root, as which tests run in many containers: there the commands run without
the two capabilities that make it so. (Another user could not even read Python in root's home.)
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from making.media import make_media

from avtnet.classic import checkpoints
from avtnet.classic.checkpoints import CheckpointInfo
from avtnet.classic.config import ModelConfig
from avtnet.classic.model import build
from clipping.windows import WindowId, write_submission

ROOT = Path(__file__).parents[1]
OBEDIENT = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
    if os.geteuid() == 0 and ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
        sys.exit("cannot give up root's rights")
os.execv(sys.executable, [sys.executable, "-m", *sys.argv[1:]])
"""
"""A program that becomes ``python -m …`` without root's rights over files."""


@pytest.fixture
def place(tmp_path):
    """A season of two episodes, one of them unreadable, and a folder that cannot be written."""
    for name in ("season", "out", "locked"):
        (tmp_path / name).mkdir()
    make_media(tmp_path / "season" / "ep01.mkv", duration=2.0, size=(160, 90))
    shutil.copy(tmp_path / "season" / "ep01.mkv", tmp_path / "season" / "ep02.mkv")
    torch.manual_seed(1)
    config = ModelConfig(size="nano", hidden=8)
    checkpoints.save(tmp_path / "w.safetensors", build(config), CheckpointInfo(config))
    for name in ("a.csv", "b.csv"):
        write_submission(tmp_path / name, {WindowId("ep01", "start"): 60.0})
    (tmp_path / "season" / "ep02.mkv").chmod(0)
    (tmp_path / "locked").chmod(0o555)
    yield tmp_path
    (tmp_path / "locked").chmod(0o755)  # or pytest could not clean up


def run(place, *words):
    """A command of ours in a process without a superuser's rights."""
    done = subprocess.run(
        [sys.executable, "-c", OBEDIENT, *map(str, words)],
        cwd=place / "out",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done


def test_an_unreadable_file_fails_alone(place):
    out = place / "out"
    done = run(place, "preprocess", place / "season", "-o", out / "features", "--workers=0")
    assert done.returncode == 1, done.stderr
    assert "2 made, 0 up to date, 2 failed" in done.stdout
    reasons = {window["name"]: window["error"] for window in made(out / "features/report.json")}
    assert reasons["ep01"] is None
    assert "ep02.mkv: cannot be read: Permission denied" in reasons["ep02"]

    weights = ("--weights", place / "w.safetensors", "--workers=0")
    done = run(place, "avtnet.locate", place / "season", *weights, "--json", out / "t.json")
    assert done.returncode == 1, done.stderr
    items = json.loads((out / "t.json").read_text())
    assert [item["error"] is None for item in items] == [1, 0]
    assert "ep02.mkv: cannot be read: Permission denied" in done.stderr

    done = run(
        place, "clipping", "cut", place / "season", "--start=0.5", "--end=1.5", "-o", out / "clips"
    )
    assert done.returncode == 1, done.stderr
    assert [path.name for path in (out / "clips").iterdir()] == ["ep01.0.500-1.500.mkv"]
    assert "ep02.mkv: cannot be read: Permission denied" in done.stderr

    (place / "b.csv").chmod(0)
    done = run(place, "ensemble.fuse", place / "a.csv", place / "b.csv", "-o", out / "fused.csv")
    assert (done.returncode, (out / "fused.csv").exists()) == (1, False)
    assert f"{place}/b.csv: cannot be read: Permission denied" in done.stderr


def made(report):
    """The windows of a report."""
    return json.loads(report.read_text())["windows"]


def test_a_path_in_a_closed_folder_is_named(place):
    closed = place / "season"
    film = shutil.copy(closed / "ep01.mkv", place / "film.mkv")
    closed.chmod(0)
    weights = ("--weights", place / "w.safetensors")
    commands = [
        ("clipping", "cut", closed, "--start=0.5"),
        ("clipping", "probe", closed / "ep01.mkv"),
        ("clipping", "cut", film, "--start=0.5", "-o", closed / "x.mkv"),
        ("avtnet.locate", closed / "ep01.mkv", *weights),
        ("avtnet.evaluate", "--data_root", closed, *weights),
    ]
    try:
        for words in commands:
            done = run(place, *words)
            assert done.returncode == 1, words
            assert str(closed) in done.stderr
            assert "Permission denied" in done.stderr
    finally:
        closed.chmod(0o755)


def test_a_folder_that_cannot_be_written_is_named_before_the_work(place):
    (place / "season" / "ep02.mkv").unlink()
    locked = place / "locked"
    weights = ("--weights", place / "w.safetensors")
    commands = [
        ("preprocess", place / "season", "-o", locked / "features"),
        ("avtnet.locate", place / "season", *weights, "--json", locked / "t.json"),
        ("clipping", "cut", place / "season", "--start=0.5", "-o", locked),
        ("ensemble.fuse", place / "a.csv", place / "b.csv", "-o", locked / "fused.csv"),
    ]
    for words in commands:
        done = run(place, *words)
        assert done.returncode == 1, words
        assert str(locked) in done.stderr
        assert "cannot be written: Permission denied" in done.stderr
        assert "windows" not in done.stderr, "a progress bar: the work had begun"
    assert list(locked.iterdir()) == []


def test_a_season_in_a_folder_that_cannot_be_written_has_one_error_a_file(place):
    season = place / "season"
    (season / "ep02.mkv").chmod(0o644)
    make_media(season / "ep01.mkv", duration=4.0, size=(160, 90))
    shutil.copy(season / "ep01.mkv", season / "ep02.mkv")
    season.chmod(0o555)
    network = build(config := ModelConfig(size="nano", hidden=8))
    for name, part in network.named_children():
        if name.startswith("regress"):  # an answer early in the window, inside short files
            torch.nn.init.constant_(part[-2].bias, -5.0)
    checkpoints.save(place / "early.safetensors", network, CheckpointInfo(config))
    words = [season, "--weights", place / "early.safetensors", "--workers=0", "--min-confidence=0"]
    done = run(
        place, "avtnet.locate", *words, "--write", "edl", "ogm", f"--json={place}/out/t.json"
    )
    season.chmod(0o755)
    errors = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert done.returncode == 1
    assert len(errors) == 2
    for name, error in zip(("ep01", "ep02"), errors, strict=True):
        assert f"{name}.edl: cannot be written: Permission denied (and 1 more" in error
    items = json.loads((place / "out" / "t.json").read_text())
    assert [bool(item["segments"]) for item in items] == [True, True]


def test_media_that_nobody_may_write_beside_are_searched_and_corrected_all_the_same(
    place, monkeypatch
):
    for name in ("CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(place / "user" / name))
    locked = place / "locked"
    locked.chmod(0o755)
    film = make_media(locked / "ep.mkv", duration=5.0, size=(160, 90))
    locked.chmod(0o555)
    done = run(place, "avtnet.correct", film, "opening", "0.5", "4")
    assert done.returncode == 0, done.stderr
    done = run(place, "avtnet.correct", film)
    assert "opening: 0:00:00.500 - 0:00:04.000" in done.stdout
    done = run(place, "avtnet.themes", "add", "A", film, "0.5", "4")
    assert done.returncode == 0, done.stderr
    done = run(place, "avtnet.themes", "find", locked, "--by", "picture")
    assert done.returncode == 0, done.stderr
    assert f"{locked}/.avtnet" in done.stderr
    assert "is used in its place" in done.stderr
    assert [path.name for path in locked.iterdir()] == ["ep.mkv"]
    assert list((place / "user" / "CACHE" / "avtnet" / "prints").iterdir())
    done = run(place, "avtnet.locate", locked, "--network=never", "--workers=0")
    assert done.returncode == 0, done.stderr
    assert "is used in its place" in done.stderr
    done = run(place, "avtnet.themes", "remove", "A")
    assert done.returncode == 0, done.stderr
