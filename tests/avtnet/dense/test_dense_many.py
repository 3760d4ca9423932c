"""Many windows at once, on any device: the same answers as one by one on the CPU."""

import numpy as np
import pytest
import torch
from making.dense_windows import SMALL, taught, window

from avtnet.classic.checkpoints import CheckpointInfo
from avtnet.classic.checkpoints import save as save_checkpoint
from avtnet.classic.config import ModelConfig
from avtnet.classic.model import build
from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.dense import inference
from avtnet.dense.inference import find_segments, probabilities_of_many, segments
from avtnet.dense.inputs import from_features
from avtnet.localization import main as locate_main
from avtnet.predict import PredictConfig, predict
from avtnet.predict import main as predict_main
from clipping.errors import ConfigError, FeatureError
from clipping.learning.devices import find_device
from clipping.windows import WindowId, read_submission
from preprocess.features import feature_path, save
from preprocess.settings import FeatureSettings

LENGTHS = (61, 200, 61, 90, 61, 1, 200)


def windows():
    return [
        window(seconds, (0.2 * seconds, 0.6 * seconds), start=10.0 * number, seed=number)
        for number, seconds in enumerate(LENGTHS)
    ]


def segments_of_many(features, checkpoint, **how):
    for each, probabilities in probabilities_of_many(features, checkpoint, **how):
        yield segments(each, probabilities, checkpoint)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_many_at_once_say_what_each_says_alone(batch_size, monkeypatch):
    monkeypatch.setattr(
        inference, "CHUNK", 50
    )  # the longer ones are seen in parts, as episodes are
    checkpoint = taught()
    found = list(segments_of_many(windows(), checkpoint, batch_size=batch_size))
    wanted = [find_segments(each, checkpoint) for each in windows()]
    assert sum(map(len, wanted)) >= 5
    for some, others in zip(found, wanted, strict=True):
        assert [each.label for each in some] == [each.label for each in others]
        for one, other in zip(some, others, strict=True):
            assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=2e-3)
            assert one.score == pytest.approx(other.score, abs=2e-3)
    for features, given in probabilities_of_many(windows(), checkpoint, batch_size=batch_size):
        alone = inference.evidence(
            checkpoint,
            lambda first, last, each=features: from_features(each, first, last),
            features.settings.seconds,
        )
        for name in inference.NAMES:
            assert np.abs(getattr(given, name) - getattr(alone, name)).max() < 1e-5


def test_windows_are_read_as_they_are_needed_and_go_through_the_network_together(monkeypatch):
    read, rows = [], []

    def reading():
        for number in range(6):
            read.append(number)
            yield window(20, (4.0, 16.0), seed=number)

    checkpoint = taught()
    forward = type(checkpoint.network).forward

    def counted(self, sound, *rest):
        rows.append(len(sound))
        return forward(self, sound, *rest)

    monkeypatch.setattr(type(checkpoint.network), "forward", counted)
    waiting = segments_of_many(reading(), checkpoint, batch_size=4)
    next(waiting)
    assert read == [0, 1, 2, 3]
    assert len(list(waiting)) == 5
    assert rows == [4, 2]


def test_long_ones_are_not_all_in_memory_at_once(monkeypatch):
    """Rows grow no longer than a batch of windows would be."""
    seen = []
    checkpoint = taught()
    forward = type(checkpoint.network).forward

    def counted(self, sound, *rest):
        seen.append(len(sound) * sound.shape[2] // 40)
        return forward(self, sound, *rest)

    monkeypatch.setattr(type(checkpoint.network), "forward", counted)
    list(segments_of_many([window(700), window(700)], checkpoint, batch_size=2))
    assert max(seen) <= inference.CHUNK + 2 * SMALL.reach
    assert len(seen) == 4


def test_one_of_other_settings_is_refused_by_name():
    from dataclasses import replace

    other = window(20, name="odd")
    other = replace(other, settings=replace(other.settings, text_engine="none"))
    with pytest.raises(FeatureError, match="odd_start: made with other settings"):
        list(segments_of_many([window(20), other], taught()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Feature files of five windows, one of them damaged; weights of both kinds."""
    root = tmp_path_factory.mktemp("many")
    for number, end in enumerate((60.5, 91.25, 120.0, 180.0)):
        features = window(200, (end - 25, end), name=f"ep{number}", seed=number)
        save(features, feature_path(root / "features", f"ep{number}", "start"))
    nothing = window(200, None, name="ep9", side="end", start=1200.0)
    save(nothing, feature_path(root / "features", "ep9", "end"))
    (root / "features" / "bad_start.safetensors").write_bytes(b"damaged")
    dense_checkpoint.save(root / "dense.safetensors", taught().network, taught().info)
    torch.manual_seed(0)
    config = ModelConfig(size="nano", hidden=8)
    save_checkpoint(
        root / "classic.safetensors",
        build(config),
        CheckpointInfo(config, features=FeatureSettings()),
    )
    return root


def test_predict_writes_rows_of_avtnetdense_for_every_window(folder, tmp_path, capsys):
    words = [str(folder / "features"), f"--weights={folder}/dense.safetensors"]
    assert predict_main([*words, "-o", str(tmp_path / "a.csv"), "--batch_size=2"]) == 1
    assert "bad_start" in capsys.readouterr().err
    rows = read_submission(tmp_path / "a.csv")
    assert len(rows) == 5
    for number, end in enumerate((60.5, 91.25, 120.0, 180.0)):
        assert rows[WindowId(f"ep{number}", "start")] == pytest.approx(end, abs=1)
    # It says that nothing is there; a submission has a row all the same.
    assert 0 <= rows[WindowId("ep9", "end")] <= 200


@pytest.mark.parametrize("kind", ["dense", "classic"])
def test_the_batch_size_does_not_change_predictions(folder, kind):
    answers = [
        predict(
            PredictConfig(
                inputs=(str(folder / "features"),),
                weights=folder / f"{kind}.safetensors",
                batch_size=size,
            )
        )[0]
        for size in (1, 4)
    ]
    assert len(answers[0]) == 5
    assert answers[0] == pytest.approx(answers[1], abs=2e-3)


def test_a_device_is_named_one_way(monkeypatch):
    assert find_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert find_device("auto") == torch.device("cpu")
    for name, told in (
        ("cuda", "torch sees 0 GPUs"),
        ("cuda:3", "torch sees 0 GPUs"),
        ("mps", "no Apple GPU"),
        ("banana", "--device is cpu, cuda, cuda:1, mps, or auto"),
        ("meta", "--device is cpu"),
    ):
        with pytest.raises(ConfigError, match=told):
            find_device(name)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert find_device("auto") == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("auto") == torch.device("cuda")
    assert find_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ConfigError, match="torch sees 2 GPUs"):
        find_device("cuda:2")


def test_commands_say_when_a_device_is_not_there(folder, tmp_path, monkeypatch, capsys):
    from avtnet.evaluate import main as evaluate_main

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    features, weights = str(folder / "features"), f"--weights={folder}/dense.safetensors"
    for run, words in (
        (predict_main, [features, weights, "-o", str(tmp_path / "a.csv")]),
        (evaluate_main, [f"--data_root={folder}", weights]),
        (locate_main, [features]),
    ):
        assert run([*words, "--device=cuda:5"]) == 1
        assert "--device cuda:5: torch sees 0 GPUs" in capsys.readouterr().err
