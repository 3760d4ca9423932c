"""Windows of the last seconds shown backwards in time: the answers are still the window's."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import onnxruntime
import pytest
import torch
from making.windows import SETTINGS, make_data, make_features

from avtnet.classic import checkpoints
from avtnet.classic.checkpoints import CheckpointInfo
from avtnet.classic.config import ModelConfig, TrainConfig
from avtnet.classic.dataset import WindowDataset, read_windows, to_batch
from avtnet.classic.model import build
from avtnet.classic.positions import predict_windows
from avtnet.export import export
from avtnet.train import train
from preprocess.features import load

NANO = ModelConfig(size="nano", hidden=8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"))


def backwards(features):
    """The same window as a film that runs backwards."""
    turned = {"mfcc": features.mfcc[:, ::-1], "frames": features.frames[::-1]}
    turned["text"] = features.text[::-1]
    turned = {name: np.ascontiguousarray(array) for name, array in turned.items()}
    return dataclasses.replace(features, **turned)


def test_windows_of_the_end_come_backwards_with_their_targets(data):
    windows, _ = read_windows(data)
    sides = [window.id.side for window in windows[:6]]
    assert set(sides) == {"start", "end"}
    batch, targets = WindowDataset(windows, reverse_ends=True).read(range(6))
    shown = [load(window.path) for window in windows[:6]]
    wanted = to_batch([each if each.side == "start" else backwards(each) for each in shown])
    assert all(torch.equal(got, want) for got, want in zip(batch, wanted, strict=True))
    shares = [window.seconds / 200 for window in windows[:6]]
    turned = [
        1 - share if side == "end" else share for share, side in zip(shares, sides, strict=True)
    ]
    assert targets.tolist() == pytest.approx(turned)


@pytest.fixture
def twins(tmp_path):
    """The same weights, once as of a network that is shown endings backwards."""
    torch.manual_seed(3)
    network = build(NANO)
    # Random weights answer nearly alike to any window; these do not.
    with torch.no_grad():
        for weight in network.regress.parameters():
            weight.mul_(8)
    paths = []
    for reverse in (False, True):
        info = CheckpointInfo(NANO, False, SETTINGS, reverse, trained_on="noise")
        paths.append(tmp_path / f"{reverse}.safetensors")
        checkpoints.save(paths[-1], network, info)
    return paths


def test_a_network_answers_in_the_windows_own_time(twins):
    plain, turned = map(checkpoints.load, twins)
    first, last = make_features("a", "start", 60), make_features("b", "end", 130)
    (said, ended) = predict_windows(turned, [first, last])
    assert predict_windows(plain, [first]) == pytest.approx([said], abs=1e-3)
    (shown,) = predict_windows(plain, [backwards(last)])
    assert ended == pytest.approx(200 - shown, abs=1e-3)
    assert abs(ended - predict_windows(plain, [last])[0]) > 0.1


def test_as_onnx_it_is_told_which_windows_are_the_last(twins, tmp_path):
    windows = [make_features("a", "start", 60), make_features("b", "end", 130)]
    windows.append(make_features("c", "end", 30))
    wanted = predict_windows(checkpoints.load(twins[1]), windows)
    session = onnxruntime.InferenceSession(export(twins[1], tmp_path / "a.onnx"))
    given = {
        name: np.stack([getattr(each, name) for each in windows])
        for name in ("mfcc", "frames", "text")
    }
    given["last"] = np.array([window.side == "end" for window in windows])
    (seconds,) = session.run(None, given)
    assert seconds == pytest.approx(wanted, abs=0.02)
    about = json.loads(session.get_modelmeta().custom_metadata_map["tensors"])
    assert "last seconds" in about["last"]


def test_a_run_validates_as_its_checkpoint_predicts(data, tmp_path):
    config = TrainConfig(
        data_root=data,
        save_prefix=tmp_path / "run",
        batch_size=6,
        max_epoch=30,
        warmup_epoch=1,
        lr=5e-3,
        reverse_ends=True,
        model=NANO,
    )
    best = checkpoints.load(train(config) / "best.safetensors")
    assert best.info.reverse_ends
    windows, _ = read_windows(data)
    said = np.array(predict_windows(best, [window.path for window in windows]))
    true = np.array([window.seconds for window in windows])
    assert np.mean(np.abs(said - true)) < 30
    # The boundary of the window as it lies in the file, not as it was shown.
    last = np.array([window.id.side == "end" for window in windows])
    apart, mirrored = np.abs(said - true)[last], np.abs(200 - said - true)[last]
    assert np.mean(apart) < 0.5 * np.mean(mirrored)
