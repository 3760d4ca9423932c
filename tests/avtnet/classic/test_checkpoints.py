"""Checkpoints rebuild themselves; files that cannot be trusted are refused by name, unrun."""

import dataclasses
import json
import pickle
import resource

import pytest
import torch
from making.pickles import PICKLES, Marker, malicious
from making.windows import SETTINGS, make_data, make_features
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from avtnet.classic.checkpoints import FORMAT, CheckpointInfo, load, read_info, save
from avtnet.classic.config import ModelConfig, TrainConfig
from avtnet.classic.fit import classic_run_folder
from avtnet.classic.model import build
from avtnet.classic.positions import predict_windows
from avtnet.train import train
from clipping.config import dump
from clipping.errors import CheckpointError, ConfigError
from clipping.files import write_text
from clipping.learning.loop import State
from clipping.learning.run_folder import STATE_FORMAT
from preprocess.settings import FeatureSettings

NANO = ModelConfig(kind="avtnet_yolt", size="nano", hidden=8)
INFO = CheckpointInfo(
    model=NANO,
    if_normal=True,
    features=FeatureSettings(window=20.0, text_engine="none", audio="jpn"),
    epoch=63,
    metrics={"score": 2.57, "mae": 3.0},
    trained_on="made-up episodes",
    versions={"torch": "2.15.0"},
)


def inputs(windows=2):
    generator = torch.Generator().manual_seed(5)
    return (
        torch.randn(windows, 20, 64, generator=generator),
        torch.rand(windows, 6, 3, 16, 16, generator=generator),
        torch.rand(windows, 6, 27, 36, generator=generator),
    )


def network(config=NANO):
    torch.manual_seed(1)
    model = build(config)
    model(*inputs())  # moves the running statistics from their first values
    return model.eval()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "best.safetensors"
    save(path, network(), INFO)
    return path


def rewrite(path, metadata=None, **changes):
    """The file again with other metadata, or with other tensors, and no checksum."""
    with safe_open(path, framework="pt") as opened:
        about = json.loads(opened.metadata()["avtnet"])
    before = {"avtnet": json.dumps({k: v for k, v in about.items() if k != "sha256"})}
    state = load_file(path)
    save_file({**state, **changes}, path, metadata=before if metadata is None else metadata)


def refused(path, match):
    """Reading what the file says, or building it, ends with one line that names the file."""
    with pytest.raises(CheckpointError, match=match) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_checkpoint_rebuilds_its_model_by_itself(path):
    checkpoint = load(path)
    assert checkpoint.info == INFO
    assert read_info(path) == INFO
    assert not checkpoint.network.training
    with torch.no_grad():
        for ours, theirs in zip(checkpoint.network(*inputs()), network()(*inputs()), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", ["avtnet", "avtnet2", "avtnet_yolt"])
@pytest.mark.parametrize("sees", ["audio", "video", "audio+video"])
def test_every_kind_and_ablation_comes_back(tmp_path, kind, sees):
    config = dataclasses.replace(NANO, kind=kind, inputs=sees, layers=2, steps=40, cells=4)
    path = tmp_path / "x.safetensors"
    save(path, network(config), CheckpointInfo(config))
    back = load(path)
    assert back.info.model == config
    ours, theirs = back.network.state_dict(), network(config).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    with torch.no_grad():
        torch.testing.assert_close(back.network(*inputs()), network(config)(*inputs()))


def test_a_checkpoint_of_half_precision_is_half_as_large_and_computes_in_single(path, tmp_path):
    half = tmp_path / "half.safetensors"
    save(half, network(), INFO, half=True)
    # Its header (names and shapes) is as long.
    assert half.stat().st_size < 0.7 * path.stat().st_size
    back = load(half)
    assert {p.dtype for p in back.network.parameters()} == {torch.float32}
    with torch.no_grad():
        position = back.network(*inputs()).position
        torch.testing.assert_close(position, network()(*inputs()).position, atol=2e-3, rtol=0)


def test_a_loaded_network_can_be_trained_on(path):
    model = load(path).network.train()
    model(*inputs()).position.sum().backward()
    assert model.regress2[0].weight.grad is not None


@pytest.mark.parametrize("header_bytes", [0x180, int.from_bytes(b"PK", "little")])
def test_a_header_as_long_as_a_pickle_mark_is_no_pickle(path, header_bytes):
    """A safetensors file starts with the length of its header, which may look like a pickle's."""

    def write(filler):
        save_file({"a": torch.zeros(1)}, path, metadata={"filler": "x" * filler})
        return int.from_bytes(path.read_bytes()[:8], "little")

    assert write(header_bytes - write(0)) == header_bytes
    refused(path, "no avtnet checkpoint")


@pytest.mark.parametrize("kind", PICKLES)
@pytest.mark.parametrize("name", ["best.safetensors", "best.pt"])
def test_a_malicious_pickle_is_refused_and_never_run(tmp_path, kind, name):
    marker = tmp_path / "was-run"
    path = malicious(kind, tmp_path / name, marker)
    refused(path, "cut short" if kind == "protocol 0" else "pickle")
    with pytest.raises(CheckpointError):
        read_info(path)
    assert not marker.exists()


def test_the_malicious_pickle_of_these_tests_would_run(tmp_path):
    marker = tmp_path / "was-run"
    pickle.loads(pickle.dumps(Marker(marker)))
    assert marker.exists()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.9, 0.9999])
def test_a_file_that_is_cut_short_is_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refused(path, "cut short|cannot be read")


@pytest.mark.parametrize("data", [b"", b"x", b"{}", b"\xff" * 64, bytes(64), b"PK", b"\x80\x02."])
def test_what_is_no_checkpoint_is_refused(tmp_path, data):
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    refused(path, "cut short|cannot be read|pickle")


def test_nothing_there_and_a_folder(tmp_path):
    refused(tmp_path / "gone.safetensors", "No such file or directory$")
    refused(tmp_path, "Is a directory$")


def test_weights_of_something_else_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file(torch.nn.Linear(2, 3).state_dict(), path)
    refused(path, r"no avtnet checkpoint \(avtnet-checkpoint-1\)")
    save_file(torch.nn.Linear(2, 3).state_dict(), path, metadata={"format": "pt"})
    refused(path, "no avtnet checkpoint")


def test_another_architecture_than_the_file_says_is_refused(path):
    text = json.dumps({"format": FORMAT, **dump(dataclasses.replace(INFO, model=ModelConfig()))})
    rewrite(path, {"avtnet": text})
    refused(path, r"\d+ tensors are not those of a full avtnet: \S+ is .*, should be ")


def test_a_changed_weight_or_word_is_noticed_by_the_checksum(path):
    whole = path.read_bytes()
    middle = len(whole) - len(whole) // 4
    for place, new in ((middle, bytes([whole[middle] ^ 1])), (whole.index(b"made-up"), b"real")):
        path.write_bytes(whole[:place] + new + whole[place + len(new) :])
        refused(path, "its checksum is another")
    path.write_bytes(whole)
    assert load(path).info == INFO
    rewrite(path)  # as versions without a checksum wrote it
    assert load(path).info == INFO


def test_a_missing_or_added_or_misshapen_tensor_is_named(path):
    rewrite(path, added=torch.zeros(1))
    refused(path, r"1 tensors .*: added is \(1,\), should be absent")
    save(path, network(), INFO)
    rewrite(path, **{"regress1.0.bias": torch.zeros(3)})
    refused(path, r"regress1\.0\.bias is \(3,\), should be \(64,\)")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(path, value):
    rewrite(path, **{"regress1.0.bias": torch.full((64,), value)})
    refused(path, r"regress1\.0\.bias holds values that are not finite")


def test_other_number_types_become_the_networks_own(path):
    rewrite(path, **{"regress1.0.bias": torch.ones(64, dtype=torch.int32)})
    assert load(path).network.state_dict()["regress1.0.bias"].dtype == torch.float32
    rewrite(path, **{"regress1.0.bias": torch.full((64,), 1e300, dtype=torch.float64)})
    refused(path, "not finite")


def test_weights_that_overflow_give_an_error_and_no_answer(tmp_path):
    path = tmp_path / "large.safetensors"
    model = build(NANO)
    torch.nn.init.constant_(model.audio.stem[0].weight, 3e38)
    save(path, model, CheckpointInfo(NANO, features=SETTINGS))
    with pytest.raises(CheckpointError, match=r"large\.safetensors: .* no numbers"):
        predict_windows(load(path), [make_features("ep", "start", 90.0)])


def nested(depth):
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no avtnet checkpoint"),
        ("no json", "no avtnet checkpoint"),
        ("[]", "no avtnet checkpoint"),
        ("null", "no avtnet checkpoint"),
        ('{"model": {}}', "no avtnet checkpoint"),
        ('{"format": "avtnet-checkpoint-9", "model": {}}', "no avtnet checkpoint"),
        (nested(100_000), "no avtnet checkpoint"),
        (f'{{"format": "{FORMAT}"}}', "this is required: model"),
        (f'{{"format": "{FORMAT}", "model": 3}}', "not understood"),
        (f'{{"format": "{FORMAT}", "model": {{"kind": "bmn"}}}}', "not understood"),
        (f'{{"format": "{FORMAT}", "model": {{}}, "modle": 1}}', "did you mean model"),
        (f'{{"format": "{FORMAT}", "model": {{"hiden": 1}}}}', "did you mean model.hidden"),
        (f'{{"format": "{FORMAT}", "model": {{"hidden": 1e99}}}}', "not understood"),
        (f'{{"format": "{FORMAT}", "model": {{"hidden": 8193}}}}', "from 1 to 8192"),
        (f'{{"format": "{FORMAT}", "model": {{"steps": 7}}}}', "not understood"),
        (f'{{"format": "{FORMAT}", "model": {{}}, "metrics": {nested(500)}}}', "not understood"),
        (f'{{"format": "{FORMAT}", "model": {{}}, "features": {{"window": 0}}}}', "window must be"),
    ],
)
def test_metadata_that_make_no_sense_are_refused(path, text, match):
    rewrite(path, {"avtnet": text})
    refused(path, match)


def test_a_config_that_claims_absurd_sizes_takes_no_memory(path):
    """The claim below is 27,000 million parameters; the file holds some thousands."""
    model = ModelConfig(kind="avtnet2", hidden=8192, layers=16, steps=100_000)
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build(model).parameters()) > 20e9
    text = json.dumps({"format": FORMAT, **dump(dataclasses.replace(INFO, model=model))})
    rewrite(path, {"avtnet": text})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(path, "tensors are not those of")
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 200_000


HEAD = {"format": STATE_FORMAT, "config": dump(TrainConfig())}


class TestLastState:
    """last.pt, from which a run goes on: a pickle, read without running anything."""

    @pytest.fixture
    def config(self, tmp_path):
        config = TrainConfig(save_prefix=tmp_path)
        weights = {"a": torch.arange(3.0)}
        state = State(weights, {"state": {}}, step=7, rows=[{"score": 1.0}])
        classic_run_folder(config).save(state)
        return config

    def refused(self, config):
        with pytest.raises(CheckpointError, match=r"last\.pt: damaged.*--overwrite"):
            classic_run_folder(config).read(State)

    def test_it_comes_back(self, config):
        state = classic_run_folder(config).read(State)
        assert (state.step, state.rows) == (7, [{"score": 1.0}])
        assert torch.equal(state.network["a"], torch.arange(3.0))

    @pytest.mark.parametrize("kind", PICKLES)
    def test_a_malicious_one_is_never_run(self, config, tmp_path, kind):
        marker = tmp_path / "was-run"
        malicious(kind, tmp_path / "last.pt", marker)
        self.refused(config)
        assert not marker.exists()

    def test_a_damaged_one_is_refused(self, config, tmp_path):
        path = tmp_path / "last.pt"
        whole = path.read_bytes()
        for share in (0, 0.1, 0.5, 0.9):
            path.write_bytes(whole[: int(share * len(whole))])
            self.refused(config)

    def test_a_changed_byte_is_refused_or_harmless(self, config, tmp_path):
        """No error but ours gets out, whichever byte of the pickle inside is another."""
        path = tmp_path / "last.pt"
        whole = path.read_bytes()
        start = whole.index(b"\x80\x02")
        refused = 0
        for position in range(start, start + 400):
            path.write_bytes(whole[:position] + b"\xff" + whole[position + 1 :])
            try:
                classic_run_folder(config).read(State)
            except (CheckpointError, ConfigError):
                refused += 1
        assert refused > 300

    def test_one_of_another_network_is_refused(self, tmp_path):
        config = TrainConfig(
            data_root=make_data(tmp_path, count=2), save_prefix=tmp_path, model=NANO, resume=True
        )
        write_text(tmp_path / "config.yaml", "")
        classic_run_folder(config).save(State({"a": torch.zeros(1)}, {"state": {}}))
        with pytest.raises(CheckpointError, match=r"last\.pt: holds another network.*--overwrite"):
            train(config)

    @pytest.mark.parametrize(
        "value",
        [
            *([], 3, {}, {"config": 3}, torch.zeros(2)),
            {**HEAD, "network": {}, "optimizer": {}, "unknown": 1},
            {**HEAD, "network": 1, "optimizer": {}},
            {**HEAD, "network": {}, "optimizer": {}, "step": "x"},
            {**HEAD, "network": {}, "optimizer": {}, "step": -1},
        ],
        ids=repr,
    )
    def test_another_content_is_refused(self, config, tmp_path, value):
        torch.save(value, tmp_path / "last.pt")
        self.refused(config)

    @pytest.mark.parametrize("values", [{}, {"format": 99}])
    def test_one_of_another_version_is_refused_and_says_so(self, config, tmp_path, values):
        """Before the one loop, three others wrote files without a format."""
        state = {"config": {}, "network": {}, "optimizer": {}, "precision": {}, "epoch": 1}
        torch.save({**state, **values}, tmp_path / "last.pt")
        with pytest.raises(ConfigError, match=r"last\.pt: written by another version.*first weig"):
            classic_run_folder(config).read(State)
