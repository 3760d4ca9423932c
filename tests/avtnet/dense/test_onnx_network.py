"""The shipped network by onnxruntime: what it says, of which weights it is, what is refused."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from avtnet.dense import inference, info, onnx_network
from avtnet.dense.decode import decode
from avtnet.dense.inputs import Inputs
from avtnet.dense.settings import BINS, PLACES, SLOTS, DenseConfig
from clipping.errors import CheckpointError, ClippingError, ConfigError
from clipping.onnx_session import open_session, usual_threads

ROOT = Path(__file__).parents[3]


def noise(seconds, rows=1):
    """Inputs without meaning, in their real shapes and ranges."""
    rng = np.random.default_rng(seconds)
    return Inputs(
        rng.normal(0, 50, (rows, 20, SLOTS * seconds)).astype(np.float32),
        rng.integers(0, 256, (rows, seconds, 3, 33, 44)).astype(np.uint8),
        rng.random((rows, seconds, 27, 36)) < 0.1,
        rng.random((rows, seconds, PLACES)).astype(np.float32),
    )


def seconds_of(given, first, last):
    sound = given.sound[:, :, SLOTS * first : SLOTS * last]
    return Inputs(sound, *(each[:, first:last] for each in given[1:]))


def test_the_shipped_file_is_of_the_shipped_weights():
    about = onnx_network.shipped_onnx().session.get_modelmeta().custom_metadata_map
    assert about["checkpoint"] == info.SHIPPED.name
    digest = hashlib.sha256(info.SHIPPED.read_bytes()).hexdigest()
    assert about["checkpoint_sha256"] == digest
    assert onnx_network.SHIPPED.stat().st_size < 2_000_000  # float16
    assert onnx_network.shipped_onnx().info.model == DenseConfig()


@pytest.mark.parametrize(("rows", "seconds"), [(1, 1), (1, 60), (3, 7)])
def test_any_length_and_number_of_rows_gives_probabilities(rows, seconds):
    given = onnx_network.shipped_onnx().probabilities(noise(seconds, rows))
    assert given.classes.shape == (rows, seconds, 3)
    assert given.peaks.shape == (rows, seconds, 4)
    assert given.offsets.shape == (rows, seconds, 4, BINS)
    assert np.allclose(given.classes.sum(-1), 1, atol=1e-5)
    assert np.allclose(given.offsets.sum(-1), 1, atol=1e-5)


def test_in_chunks_the_answer_is_that_of_the_whole(monkeypatch):
    network, given = onnx_network.shipped_onnx(), noise(700)

    def part(first, last):
        return seconds_of(given, first, last)

    pieces = inference.evidence(network, part, 700)
    monkeypatch.setattr(inference, "CHUNK", 700)
    whole = inference.evidence(network, part, 700)
    for name in inference.NAMES:
        assert np.allclose(getattr(whole, name), getattr(pieces, name), atol=1e-5)
    assert decode(whole) == pytest.approx(decode(pieces)) or len(decode(whole)) == len(
        decode(pieces)
    )


def test_the_way_to_an_answer_loads_no_torch():
    code = (
        "import sys, avtnet.dense.episode, avtnet.search.networks\n"
        "from avtnet.dense import onnx_network\n"
        "onnx_network.shipped_onnx()\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'torchvision', 'onnx')))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_senses_are_left_out_by_torch_only():
    with pytest.raises(ConfigError, match="torch only"):
        onnx_network.shipped_onnx().probabilities(noise(3), [1.0, 0.0, 1.0, 1.0])


def test_what_is_no_such_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"gone\.onnx: cannot be read"):
        onnx_network.load(tmp_path / "gone.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x01 no model")
    with pytest.raises(CheckpointError, match=r"bad\.onnx: .*no ONNX file, or damaged"):
        onnx_network.load(tmp_path / "bad.onnx")
    cut = onnx_network.SHIPPED.read_bytes()[:-1000]
    (tmp_path / "cut.onnx").write_bytes(cut)
    with pytest.raises(CheckpointError, match=r"cut\.onnx"):
        onnx_network.load(tmp_path / "cut.onnx")
    other = ROOT / "preprocess" / "text" / "models" / "ch_PP-OCRv4_det_mobile.quick.onnx"
    with pytest.raises(CheckpointError, match="is no AVTNetDense that avtnet export wrote"):
        onnx_network.load(other)


def test_a_runtime_that_is_not_there_is_named():
    with pytest.raises(ClippingError, match="the installed onnxruntime has no CUDA"):
        open_session(onnx_network.SHIPPED, "cuda")


@pytest.mark.parametrize(
    ("told", "threads"), [("3", 3), ("2,4", 2), ("0", None), ("many", None), ("", None)]
)
def test_omp_num_threads_decides_the_threads(monkeypatch, told, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert usual_threads() == threads or (threads is None and usual_threads() >= 1)


def test_its_settings_are_those_of_the_weights():
    pytest.importorskip("torch")
    from avtnet.dense import checkpoint

    assert onnx_network.shipped_onnx().info == checkpoint.shipped().info
    given = noise(90)
    mine = onnx_network.shipped_onnx().probabilities(given)
    theirs = checkpoint.shipped().probabilities(given)
    for name in inference.NAMES:
        assert np.abs(getattr(mine, name) - getattr(theirs, name)).max() < 1e-5


def test_the_command_makes_the_shipped_file_again(tmp_path):
    pytest.importorskip("torch")
    onnx = pytest.importorskip("onnx")
    from avtnet.export import export

    export(output=tmp_path / "again.onnx", half=True)

    def parts(path):
        model = onnx.load(path)
        nodes = [(node.op_type, len(node.input)) for node in model.graph.node]
        arrays = {
            each.name.split(".half")[0]: onnx.numpy_helper.to_array(each)
            for each in model.graph.initializer
        }
        about = {each.key: each.value for each in model.metadata_props}
        return nodes, arrays, about

    mine, again = parts(onnx_network.SHIPPED), parts(tmp_path / "again.onnx")
    assert again[0] == mine[0]
    assert again[1].keys() == mine[1].keys()
    for name, array in mine[1].items():
        assert np.array_equal(again[1][name], array), name
    assert again[2].keys() == mine[2].keys()
    config, wanted = (json.loads(each["config"]) for each in (again[2], mine[2]))
    assert config == wanted
    assert again[2]["checkpoint_sha256"] == mine[2]["checkpoint_sha256"]
