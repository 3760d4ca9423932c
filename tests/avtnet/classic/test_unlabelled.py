"""--testB: a submission of the windows without labels, as the original's scripts wrote it."""

import dataclasses

import pytest
from making.windows import NANO, SETTINGS, make_data, make_features, small_training

from avtnet.classic.checkpoints import CheckpointInfo, load, save
from avtnet.classic.config import TrainConfig
from avtnet.classic.model import build
from avtnet.classic.positions import predict_windows
from avtnet.classic.unlabelled import unlabelled
from avtnet.train import main, train
from clipping.errors import ClippingError, ConfigError
from clipping.windows import WindowId, read_submission
from preprocess.features import feature_path
from preprocess.features import save as save_features


@pytest.fixture
def config(tmp_path):
    """Four labelled windows, two more without a label, and a network."""
    data = make_data(tmp_path / "data", count=4)
    for name, side in (("new", "start"), ("S2/05", "end")):
        path = feature_path(data / "features", name, side)
        path.parent.mkdir(exist_ok=True)
        save_features(make_features(name, side, 100.0), path)
    weights = tmp_path / "best.safetensors"
    save(weights, build(NANO), CheckpointInfo(model=NANO, features=SETTINGS))
    return small_training(data, tmp_path / "run", weights=weights, testB=True)


def test_the_unlabelled_windows_are_predicted_into_the_runs_folder(config):
    words = ["--data_root", str(config.data_root), "--save_prefix", str(config.save_prefix)]
    assert main([*words, "--weights", str(config.weights), "--testB"]) == 0
    found = read_submission(config.save_prefix / "submission.csv")
    windows = {WindowId("S2/05", "end"), WindowId("new", "start")}
    assert set(found) == windows
    paths = [feature_path(config.data_root / "features", w.name, w.side) for w in found]
    alone = predict_windows(load(config.weights), paths)
    assert list(found.values()) == pytest.approx(alone, abs=1e-3)
    assert [path.name for path in config.save_prefix.iterdir()] == ["submission.csv"]


def test_without_labels_every_window_counts_and_with_all_of_them_none(config):
    (config.data_root / "features" / "notes_start.txt").write_text("no features")
    (config.data_root / "features" / "other.safetensors").write_text("no window")
    labels = config.data_root / "labels.txt"
    rows = labels.read_text()
    labels.unlink()
    assert len(unlabelled(config.data_root)) == 6
    labels.write_text(rows + "new_start 3.5\nS2/05_end 4.5\n")
    with pytest.raises(ClippingError, match="for those with one use --test"):
        train(config)
    assert not config.save_prefix.exists()


def test_settings_that_contradict_are_refused(config):
    with pytest.raises(ConfigError, match="was trained on frames from 0 to 1"):
        train(dataclasses.replace(config, if_normal=True))
    with pytest.raises(ValueError, match="name it with --weights"):
        TrainConfig(testB=True)
    with pytest.raises(ValueError, match="give one"):
        dataclasses.replace(config, test=True)
