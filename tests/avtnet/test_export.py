"""ONNX files: onnxruntime says what torch says, and the file says what it is."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
from making.dense_windows import taught, window
from making.windows import SETTINGS, make_features

from avtnet.classic import checkpoints
from avtnet.classic.checkpoints import CheckpointInfo
from avtnet.classic.config import ModelConfig
from avtnet.classic.model import build
from avtnet.classic.positions import predict_windows
from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.dense import inference
from avtnet.dense.decode import Probabilities, decode
from avtnet.dense.info import DenseInfo
from avtnet.dense.inputs import Inputs, from_features
from avtnet.dense.settings import BOUNDARIES, CLASSES
from avtnet.export import export, main
from avtnet.window_files import SETTINGS as COMPOSED
from clipping.config import restore
from clipping.errors import CheckpointError
from preprocess.settings import FeatureSettings


def opened(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def told(session):
    """The metadata of a file, JSON read."""
    texts = session.get_modelmeta().custom_metadata_map
    plain = ("format", "kind", "checkpoint", "checkpoint_sha256")
    return {key: text if key in plain else json.loads(text) for key, text in texts.items()}


@pytest.fixture(scope="module")
def dense_file(tmp_path_factory):
    """A taught network as checkpoint and as ONNX."""
    folder = tmp_path_factory.mktemp("dense")
    checkpoint = taught()
    dense_checkpoint.save(folder / "small.safetensors", checkpoint.network, checkpoint.info)
    return export(folder / "small.safetensors", folder / "small.onnx")


@pytest.mark.parametrize(("rows", "seconds"), [(1, 48), (1, 1), (2, 7), (3, 90), (5, 61)])
def test_a_dense_file_says_what_torch_says_of_any_length_and_number(dense_file, rows, seconds):
    checkpoint, session = taught(), opened(dense_file)
    spans = [(seconds * (0.15 + 0.03 * row), seconds * 0.7) for row in range(rows)]
    windows = [window(seconds, span, seed=row + 9) for row, span in enumerate(spans)]
    given = Inputs(*map(np.concatenate, zip(*map(from_features, windows), strict=True)))
    answers = session.run(None, given._asdict())
    for row, features in enumerate(windows):
        mine = Probabilities(*(answer[row] for answer in answers))
        theirs = inference.evidence(
            checkpoint, lambda *span, each=features: from_features(each, *span), seconds
        )
        for name in inference.NAMES:
            assert np.abs(getattr(mine, name) - getattr(theirs, name)).max() < 1e-4
        found, wanted = decode(mine), decode(theirs)
        assert [each.label for each in found] == [each.label for each in wanted]
        assert found or seconds < 20  # not nothing compared with nothing
        for one, other in zip(found, wanted, strict=True):
            assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=1e-3)
            assert one.score == pytest.approx(other.score, abs=1e-4)


def test_a_dense_file_says_what_it_is(dense_file):
    about = told(opened(dense_file))
    assert about["format"] == "avtnet-onnx-1"
    assert about["kind"] == "AVTNetDense"
    assert about["classes"] == list(CLASSES)
    assert about["boundaries"] == list(BOUNDARIES)
    assert about["calibration"] == {"scale": 1.5, "offset": 0.25}
    assert restore(DenseInfo, about["config"]) == taught().info
    names = {put.name for put in opened(dense_file).get_inputs()}
    names |= {put.name for put in opened(dense_file).get_outputs()}
    assert about["tensors"].keys() == names
    assert len(about["checkpoint_sha256"]) == 64
    assert about["checkpoint"] == "small.safetensors"


def test_the_command_writes_the_shipped_weights(tmp_path, capsys):
    path = tmp_path / "new" / "shipped.onnx"
    assert main(["-o", str(path)]) == 0
    assert "written" in capsys.readouterr().out
    session = opened(path)
    assert told(session)["checkpoint"] == "dense.safetensors"
    given = from_features(window(30, (4.0, 25.0)))
    answers = session.run(None, given._asdict())
    features = window(30, (4.0, 25.0))
    wanted = inference.evidence(
        dense_checkpoint.shipped(), lambda first, last: from_features(features, first, last), 30
    )
    for answer, name in zip(answers, inference.NAMES, strict=True):
        assert np.abs(answer[0] - getattr(wanted, name)).max() < 1e-4


@pytest.mark.parametrize(
    ("kind", "inputs", "size", "if_normal", "settings"),
    [
        ("avtnet", "audio+video+text", "nano", False, SETTINGS),
        ("avtnet2", "audio+video+text", "nano", True, FeatureSettings()),
        ("avtnet_yolt", "audio+video+text", "nano", False, FeatureSettings()),
        ("avtnet_yolt", "audio+video+text", "small_dense", False, COMPOSED),
        ("avtnet", "audio", "nano", False, SETTINGS),
        ("avtnet_yolt", "video", "nano", True, SETTINGS),
    ],
)
def test_networks_of_the_originals_family_give_the_same_second(
    tmp_path, kind, inputs, size, if_normal, settings
):
    config = ModelConfig(kind=kind, inputs=inputs, size=size, hidden=8)
    torch.manual_seed(3)
    info = CheckpointInfo(config, if_normal, settings, trained_on="noise")
    path = tmp_path / "a.safetensors"
    checkpoints.save(path, build(config), info)
    session = opened(export(path, tmp_path / "a.onnx"))
    about = told(session)
    assert about["kind"] == {"avtnet": "AVTNet", "avtnet2": "AVTNet2"}.get(kind, "AVTNet_YOLT")
    assert restore(CheckpointInfo, about["config"]) == info
    taken = {put.name for put in session.get_inputs()}
    loaded = checkpoints.load(path)
    for rows in (1, 3):
        windows = [
            make_features("ep", "start", 30.0 + 50 * row, settings, seed=row) for row in range(rows)
        ]
        wanted = predict_windows(loaded, windows)
        given = {
            key: np.stack([getattr(each, key) for each in windows])
            for key in ("mfcc", "frames", "text")
            if key in taken
        }
        (seconds,) = session.run(None, given)
        assert seconds.shape == (rows,)
        assert seconds == pytest.approx(wanted, abs=1e-4 * 200)


def test_what_cannot_be_exported_is_said(tmp_path, capsys):
    with pytest.raises(CheckpointError, match="cannot be read"):
        export(tmp_path / "gone.safetensors", tmp_path / "a.onnx")
    torch.save({}, tmp_path / "b.safetensors")
    assert main([str(tmp_path / "b.safetensors"), "-o", str(tmp_path / "a.onnx")]) == 1
    assert "pickle" in capsys.readouterr().err
    assert not (tmp_path / "a.onnx").exists()
    for words, said in ((["-o", "a.pt"], ".onnx"), (["a", "b", "-o", "a.onnx"], "one checkpoint")):
        with pytest.raises(SystemExit, match="2"):
            main(words)
        assert said in capsys.readouterr().err


def test_in_half_precision_a_checkpoint_takes_half_and_says_the_same(tmp_path):
    seer = taught()
    torch.manual_seed(3)
    info = CheckpointInfo(ModelConfig(size="nano", hidden=8), False, SETTINGS)
    dense_checkpoint.save(tmp_path / "seer.safetensors", seer.network, seer.info)
    checkpoints.save(tmp_path / "model.safetensors", build(info.model), info)
    for name, load in (("seer", dense_checkpoint.load), ("model", checkpoints.load)):
        whole = tmp_path / f"{name}.safetensors"
        half = export(whole, tmp_path / "half" / whole.name)
        assert half.stat().st_size < 0.75 * whole.stat().st_size
        before, after = load(whole), load(half)
        assert after.info == before.info
        kept = after.network.state_dict()
        for tensor, value in before.network.state_dict().items():
            assert torch.allclose(value, kept[tensor], rtol=1e-3, atol=1e-6), tensor
