"""``avtnet weights import original``: the original's files become checkpoints, or say why not."""

import pytest
import torch
from making.oracles import light_state, oracle_inputs, original_state
from making.pickles import PICKLES, malicious

from avtnet.__main__ import main
from avtnet.classic.checkpoints import load, read_info
from avtnet.classic.config import ModelConfig
from avtnet.classic.original import import_original
from clipping.errors import CheckpointError

YOLT = [0.43922472, 0.44716167]  # the original's first look at the oracles' windows


def refused(path, match):
    with pytest.raises(CheckpointError, match=match) as caught:
        import_original(path, path.with_name("never.safetensors"))
    assert str(caught.value).startswith(f"{path}: ")
    assert not path.with_name("never.safetensors").exists()


def test_a_file_trained_on_several_gpus_gives_the_originals_answers(tmp_path, capsys):
    state = {f"module.{name}": value for name, value in original_state("avtnet_yolt").items()}
    torch.save({"epoch": 63, "state_dict": state}, tmp_path / "avnet_epoch63.pth")
    words = [
        "--from",
        str(tmp_path / "avnet_epoch63.pth"),
        "-o",
        str(tmp_path / "yolt.safetensors"),
    ]
    assert main(["weights", "import", "original", *words]) == 0
    assert "AVTNet_YOLT" in capsys.readouterr().out

    checkpoint = load(tmp_path / "yolt.safetensors")
    assert checkpoint.info.model == ModelConfig(kind="avtnet_yolt")
    assert not checkpoint.info.if_normal
    assert "avnet_epoch63.pth" in checkpoint.info.trained_on
    with torch.no_grad():
        out = checkpoint.network.double()(*(each.double() for each in oracle_inputs()))
    torch.testing.assert_close(out.coarse, torch.tensor(YOLT).double(), atol=1e-5, rtol=0)


def test_which_network_it_is_and_how_frames_are_scaled_is_kept(tmp_path):
    # as torch before 0.4.1 kept it: no counters of batches; and in half precision
    state = {
        name: value.half()
        for name, value in light_state("avtnet2").items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save(state, tmp_path / "avnet_bestmodel.pth")
    output = tmp_path / "normal.safetensors"
    words = ["--from", str(tmp_path / "avnet_bestmodel.pth"), "--if_normal", "-o", str(output)]
    assert main(["weights", "import", "original", *words]) == 0
    info = read_info(output)
    assert info.model == ModelConfig(kind="avtnet2")
    assert info.if_normal


def test_a_file_of_another_network_is_told_what_is_missing_and_what_is_too_much(tmp_path):
    from torchvision.models import resnet18

    path = tmp_path / "resnet18.pth"
    torch.save(resnet18().state_dict(), path)
    refused(path, r"compared with AVTNet: \d+ missing \(.*\); 122 too much \(conv1.weight, ")

    path = tmp_path / "changed.pth"
    state = light_state("avtnet")
    del state["se.fc.0.weight"], state["audioNet.gru.bias_hh_l1"]
    state["fc.4.weight"] = torch.zeros(3)
    state["fc.0.weight"] = torch.zeros(64, 100)
    torch.save(state, path)
    refused(
        path,
        r"compared with AVTNet: 2 missing \(audioNet.gru.bias_hh_l1, se.fc.0.weight\); "
        r"1 too much \(fc.4.weight\); "
        r"1 different \(fc.0.weight is \(64, 100\), should be \(64, 200\)\)",
    )


def test_values_that_no_network_has_are_refused(tmp_path):
    path = tmp_path / "bad.pth"
    state = light_state("avtnet")
    torch.save({**state, "fc.2.bias": torch.tensor([float("nan")])}, path)
    refused(path, "fc.2.bias holds values that are not finite")
    torch.save({**state, "fc.2.bias": torch.tensor([1])}, path)
    refused(path, r"1 different \(fc.2.bias is torch.int64\)")
    for odd in (torch.zeros(1).to_sparse(), torch.zeros(1, device="meta"), torch.zeros(1) > 0, "1"):
        torch.save({**state, "fc.2.bias": odd}, path)
        refused(path, "holds no table of weights")
    for held in ({}, [torch.zeros(3)], {"state_dict": {}}):
        torch.save(held, path)
        refused(path, "holds no table of weights")


def test_a_damaged_or_missing_file_is_named(tmp_path):
    path = tmp_path / "cut.pth"
    torch.save(light_state("avtnet"), path)
    path.write_bytes(path.read_bytes()[:-5000])
    refused(path, "cannot be read as tensors")
    refused(tmp_path / "none.pth", "cannot be read as tensors")


@pytest.mark.parametrize("kind", PICKLES)
def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path, kind):
    marker = tmp_path / "marker"
    refused(malicious(kind, tmp_path / "evil.pth", marker), "cannot be read as tensors")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "usage: avtnet weights import KIND"),
        (["import"], "AVTNet, AVTNet2 or AVTNet_YOLT of the original"),
        (["import", "orignal"], "did you mean original?"),
        (["import", "original"], "name the original's file: --from"),
        (["import", "original", "--from", "a.pth", "-o", "a.pth"], "ends in .safetensors"),
    ],
)
def test_words_that_are_not_understood_end_with_2_and_a_reason(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(main(["weights", *words]))
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
