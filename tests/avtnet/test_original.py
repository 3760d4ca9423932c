"""docs/original.md: every command of its table "the original's commands and ours" runs."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
import torch
from making.media import make_media
from making.oracles import light_state
from making.windows import SETTINGS, make_data, make_features

from avtnet.classic.config import TrainConfig
from clipping.config import parse
from clipping.windows import WindowId, read_submission
from preprocess.features import feature_path, load, save

PAGE = Path(__file__).parents[2] / "docs" / "original.md"
UNLABELLED = [WindowId("new", "end"), WindowId("new", "start"), WindowId("other", "start")]
SMALL = "--model.size nano --model.hidden 8 --max_epoch 3 --warmup_epoch 1 --num_workers 0"


def rows():
    """step → the cell with our command, as the page has them."""
    table = PAGE.read_text(encoding="utf-8").partition("## The original's commands and ours")[2]
    cells = [re.split(r"\s\|\s", row.strip("| \n")) for row in table.splitlines() if row[:1] == "|"]
    return {step: ours for step, _, ours in cells[2:]}


def command(cell):
    """The words of a cell's command."""
    return shlex.split(re.fullmatch(r"`(python -m [^`]+)`", cell)[1])


def carry_out(words):
    """Run a command in this process; returns its exit code."""
    module = importlib.import_module({"avtnet": "avtnet.__main__"}.get(words[2], words[2]))
    if words[2] == "preprocess":
        module = importlib.import_module("preprocess.__main__")
    return module.main(words[3:])


def on_two_cpu_processes(words):
    """The same training where there is no GPU, of a tiny network."""
    several = [word for word in words if re.fullmatch(r"--gpus=0(,\d)+", word)]
    words = [word for word in words if not word.startswith("--gpus=")]
    return [*words, *(["--processes", "2", *SMALL.split()] if several else [])]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder, with small data below DATA."""
    monkeypatch.chdir(tmp_path)
    make_data(Path("DATA"), count=8)
    for window in UNLABELLED:
        features = make_features(window.name, window.side, 100.0, SETTINGS)
        save(features, feature_path(Path("DATA/features"), window.name, window.side))
    return tmp_path


def test_the_original_s_trainings_inferences_and_fusion_run_by_our_commands(place, capsys):
    table = rows()
    for step in ("training 1", "training 2", "training 3"):
        assert carry_out(on_two_cpu_processes(command(table[step]))) == 0, step
    words = on_two_cpu_processes(command(table["validation"]))
    capsys.readouterr()
    assert carry_out(words) == 0
    assert "validation score" in capsys.readouterr().err
    for number in range(1, 6):
        cell = table[f"inference {number}"].replace("epoch063", "epoch002")
        assert carry_out(on_two_cpu_processes(command(cell))) == 0, number
        found = read_submission(Path(f"work_dir/{number}/submission.csv"))
        assert list(found) == UNLABELLED
    assert carry_out(command(table["fusion"])) == 0
    fused = read_submission(Path("work_dir/submission.csv"))
    assert list(fused) == UNLABELLED


def test_one_command_makes_sound_frames_and_text_of_episodes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("EPISODES").mkdir()
    make_media(Path("EPISODES/ep.mp4"), duration=3)
    table = rows()
    assert carry_out([*command(table["sound"]), "--workers", "0"]) == 0
    for step in ("frames", "text boxes", "text masks"):
        assert table[step].startswith("the same command"), step
    assert load(Path("DATA/features/ep_start.safetensors")).mfcc.shape == (20, 8616)


def test_a_checkpoint_of_the_original_becomes_one_of_ours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(light_state("avtnet"), "FILE.pth")
    assert carry_out(command(rows()["its checkpoints"])) == 0
    assert Path("FILE.safetensors").exists()


def test_every_option_of_the_original_is_understood():
    words = shlex.split(
        "--gpus=0,1 --lr=0.0001 --batch_size=21 --data_root=DATA --save_prefix ./run/ "
        "--weights FILE --data_seed 2 --if_normal --use_amp --accumulation_step=2 "
        "--max_epoch 32 --num_workers=4 --test"
    )
    said = PAGE.read_text(encoding="utf-8").partition("options are\n`")[2].partition("`")[0].split()
    assert said[-1] == "--testB"
    assert {word.partition("=")[0] for word in words if word[:2] == "--"} == set(said[:-1])
    for spelled in (words, [word.replace("_", "-") for word in words]):
        config = parse(TrainConfig, spelled, prog="train")
        assert config == TrainConfig(
            gpus="0,1",
            lr=1e-4,
            batch_size=21,
            data_root=Path("DATA"),
            save_prefix=Path("run"),
            weights=Path("FILE"),
            data_seed=2,
            if_normal=True,
            use_amp=True,
            accumulation_step=2,
            max_epoch=32,
            num_workers=4,
            test=True,
        )


def test_every_row_is_run_here():
    here = Path(__file__).read_text(encoding="utf-8")
    for step in rows():
        assert f'"{step}"' in here or step.startswith("inference "), step
