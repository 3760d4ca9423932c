"""The whole chain at once, tiny: media, features, three trainings, five submissions, fusion, clips.

What trained networks reach on the full small recipe is in the README; here every step is real,
on episodes of half a minute, and a second run finds all of it done.
"""

import json

import pytest

from avtnet.classic.config import ModelConfig, TrainConfig
from avtnet.recipe import CHECKPOINTS, RecipeConfig, main, reproduce
from clipping.config import load
from clipping.media.probe import probe
from clipping.windows import read_labels, read_submission


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    config = RecipeConfig(
        output=tmp_path_factory.mktemp("recipe"),
        episodes=4,
        test_episodes=2,
        duration=24.0,
        epochs=2,
        batch_size=3,
        model=ModelConfig(size="nano", hidden=8),
        workers=1,
    )
    return config, reproduce(config)


def test_it_scores_a_constant_five_checkpoints_and_their_fusion(done):
    config, figures = done
    five = [f"{name}_{epoch}" for name, epoch in CHECKPOINTS]
    assert list(figures) == ["constant median", *five, "fused"]
    true = read_labels(config.output / "test" / "labels.txt")
    fused = read_submission(config.output / "fused.csv")
    assert set(fused) == set(true)
    assert figures["fused"]["windows"] == len(true) == 4
    rows = [read_submission(config.output / "submissions" / f"{name}.csv") for name in five]
    for window, position in fused.items():
        places = [row[window] for row in rows]
        assert min(places) - 0.001 <= position <= max(places) + 0.001
    report = json.loads((config.output / "report.json").read_text())
    assert report["figures"] == figures
    assert set(report["seconds"]) >= {"media", "features", "predictions", "fusion", "clips"}


def test_it_cuts_what_it_found_in_an_episode(done):
    """Hardly trained networks may place an ending behind the end of so short a file."""
    config, _ = done
    clips = json.loads((config.output / "report.json").read_text())["clips"]
    assert any(clip.endswith(".opening.mp4") for clip in clips)
    assert all(0 < probe(clip).duration < 45 for clip in clips)


def test_a_second_run_finds_everything_done(done, capsys):
    config, _ = done
    checkpoint = config.output / "runs" / "avtnet" / "best.safetensors"
    features = next((config.output / "test" / "features").glob("*.safetensors"))
    before = [path.stat().st_mtime_ns for path in (checkpoint, features)]
    words = ["--episodes=4", "--test-episodes=2", "--duration=24", "--epochs=2", "--batch-size=3"]
    words += ["--model.size=nano", "--model.hidden=8", "--workers=1", f"--output={config.output}"]
    assert main(words) == 0
    assert [path.stat().st_mtime_ns for path in (checkpoint, features)] == before
    assert "constant median" in capsys.readouterr().out


def test_another_recipe_in_its_folder_is_refused_before_anything_is_made(done, capsys):
    config, _ = done
    labels = (config.output / "train" / "labels.txt").read_bytes()
    assert main(["--episodes=5", "--model.hidden=8", f"--output={config.output}"]) == 1
    told = capsys.readouterr().err
    assert "episodes (then 4, now 5)" in told
    assert "name another --output" in told
    assert (config.output / "train" / "labels.txt").read_bytes() == labels
    assert main([f"--output={config.output / 'report.json'}"]) == 1
    assert "report.json: cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["avtnet", "avtnet2_normalized", "avtnet_yolt"])
def test_the_three_trainings_are_those_of_the_configs(name):
    """The recipe's differ from configs/ in size and length only, not in what they are."""
    ours, theirs = RecipeConfig().training(name), load(TrainConfig, f"configs/{name}.yaml")
    for key in ("if_normal", "data_seed"):
        assert getattr(ours, key) == getattr(theirs, key)
    assert ours.model.kind == theirs.model.kind
