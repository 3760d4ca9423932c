"""The first weights of the encoders: from files, from torchvision, from the shipped AVTNetDense."""

import dataclasses
import socket
from pathlib import Path

import pytest
import torch
from making.pickles import malicious
from safetensors.torch import save_file

from avtnet.classic import checkpoints
from avtnet.classic.checkpoints import CheckpointInfo
from avtnet.classic.config import ModelConfig, TrainConfig
from avtnet.classic.model import build
from avtnet.classic.pretrained import load_pretrained
from avtnet.dense import checkpoint as dense_checkpoint
from clipping.config import load
from clipping.errors import CheckpointError, ConfigError

NANO = ModelConfig(size="nano", hidden=8)


class TestImageNetWeights:
    """ResNet-18's first weights: from a file, or said where they cannot be had."""

    @pytest.fixture
    def theirs(self):
        from torchvision.models import resnet18

        torch.manual_seed(3)
        return resnet18().state_dict()

    @pytest.fixture
    def ours(self):
        return build(ModelConfig(inputs="video", hidden=4, layers=1))

    def check(self, ours, theirs):
        torch.manual_seed(0)
        pictures = torch.rand(1, 3, 64, 64)
        from torchvision.models import resnet18

        whole = resnet18()
        whole.load_state_dict(theirs)
        whole.fc = torch.nn.Identity()
        with torch.no_grad():
            vectors = ours.eval().video.frames(pictures)
            torch.testing.assert_close(vectors, whole.eval()(pictures))

    def test_from_torchvisions_file(self, tmp_path, ours, theirs):
        path = tmp_path / "resnet18.pth"
        torch.save(theirs, path)
        assert "starts from ImageNet weights" in load_pretrained(ours, str(path))
        self.check(ours, theirs)

    def test_from_safetensors_which_have_another_order(self, tmp_path, ours, theirs):
        path = tmp_path / "resnet18.safetensors"
        save_file(theirs, path)
        load_pretrained(ours, str(path))
        self.check(ours, theirs)

    def test_from_an_old_file_without_counters(self, tmp_path, ours, theirs):
        path = tmp_path / "old.pth"
        torch.save({k: v for k, v in theirs.items() if "num_batches" not in k}, path)
        load_pretrained(ours, str(path))
        self.check(ours, theirs)

    def test_wrong_files_are_refused(self, tmp_path, ours, theirs):
        path = tmp_path / "x.pth"
        wrong = {
            "not the weights of torchvision's resnet18": {"a": torch.zeros(1)},
            "torchvision's resnet18$": {**theirs, "layer1.2.conv1.weight": torch.zeros(1)},
            "no table of weights": [1, 2],
            "holds no table": {"conv1.weight": "x"},
        }
        for match, content in wrong.items():
            torch.save(content, path)
            with pytest.raises(CheckpointError, match=match):
                load_pretrained(ours, str(path))
        path.write_bytes(b"no weights")
        with pytest.raises(CheckpointError, match=r"x\.pth: cannot be read"):
            load_pretrained(ours, str(path))
        safetensors = path.rename(tmp_path / "x.safetensors")
        for bad in (safetensors, tmp_path / "gone.pth", tmp_path / "gone.safetensors", tmp_path):
            with pytest.raises(CheckpointError, match="cannot be read"):
                load_pretrained(ours, str(bad))

    def test_a_malicious_file_is_never_run(self, tmp_path, ours):
        marker = tmp_path / "was-run"
        path = malicious("torch.save", tmp_path / "resnet18.pth", marker)
        with pytest.raises(CheckpointError, match="cannot be read"):
            load_pretrained(ours, str(path))
        assert not marker.exists()

    def test_without_a_network_training_goes_on_and_says_so(self, tmp_path, ours, monkeypatch):
        """Nothing is cached, and the way out ends at a port where nobody listens."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        before = ours.video.frames.layers[0].weight.clone()
        said = load_pretrained(ours, "imagenet")
        assert "starts from random weights" in said
        assert "--pretrained FILE" in said
        assert torch.equal(before, ours.video.frames.layers[0].weight)

    def test_what_needs_none_says_so(self, ours):
        assert "--pretrained none" in load_pretrained(ours, "none")
        assert "no ResNet-18" in load_pretrained(build(NANO), "imagenet")


def test_the_encoders_of_size_small_dense_start_as_those_of_the_shipped_avtnetdense():
    torch.manual_seed(0)
    ours = build(ModelConfig(size="small_dense", hidden=8))
    said = load_pretrained(ours, "shipped")
    assert "AVTNetDense" in said
    theirs = dense_checkpoint.shipped().network
    pictures, masks = torch.rand(1, 5, 3, 33, 44), (torch.rand(1, 5, 27, 36) < 0.2).float()
    with torch.no_grad():
        video = ours.eval().video
        # Theirs knows more of a picture: its colours, and what changed since the one before.
        size = video.frames.size
        assert torch.allclose(video.frames(pictures[0]), theirs.frames(pictures)[0, :, :size])
        assert torch.allclose(video.text(masks[0]), theirs.text(masks)[0])
        # 40 columns of a second are heard of the 43 there are: what each says is the same.
        steady = torch.randn(1, 20, 1).expand(1, 20, 8616).contiguous()
        heard = ours.eval().audio.encoded(steady)
        assert torch.allclose(heard, theirs.sound(steady[:, :, : 200 * 40]), atol=1e-5)
    for inputs in ("audio", "video"):
        assert "AVTNetDense" in load_pretrained(
            build(ModelConfig(size="small_dense", inputs=inputs, hidden=8)), "shipped"
        )
    with pytest.raises(ConfigError, match=r"--model\.size small_dense"):
        load_pretrained(build(NANO), "shipped")


def test_all_but_the_head_starts_as_in_a_relatives_checkpoint(tmp_path):
    torch.manual_seed(0)
    relative = build(dataclasses.replace(NANO, kind="avtnet_yolt"))
    path = tmp_path / "best.safetensors"
    checkpoints.save(path, relative, CheckpointInfo(relative.config))
    ours = build(dataclasses.replace(NANO, kind="avtnet2"))
    head = ours.conv[0].weight.clone()
    assert "all but the head" in load_pretrained(ours, str(path))
    torch.manual_seed(1)
    window = (torch.randn(1, 20, 320), torch.rand(1, 4, 3, 66, 88), torch.zeros(1, 4, 27, 36))
    with torch.no_grad():
        assert torch.equal(ours.eval().sequence(*window), relative.eval().sequence(*window))
    assert torch.equal(ours.conv[0].weight, head)
    audio = build(ModelConfig(size="nano", hidden=8, inputs="audio"))
    other = build(ModelConfig(size="nano", hidden=9))
    checkpoints.save(path, audio, CheckpointInfo(audio.config))
    for network in (ours, other):
        with pytest.raises(CheckpointError, match=r"--model\.size and --model\.inputs"):
            load_pretrained(network, str(path))
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_pretrained(ours, str(tmp_path / "gone.safetensors"))


def test_the_heads_of_the_benchmark_start_from_the_weights_that_are_kept():
    kept = Path(__file__).parents[3] / "weights" / "classic" / "avtnet_yolt" / "best.safetensors"
    assert checkpoints.load(kept).info.reverse_ends
    for name in ("avtnet_small_dense", "avtnet2_small_dense"):
        config = load(TrainConfig, kept.parents[3] / "configs" / f"{name}.yaml")
        assert "all but the head" in load_pretrained(build(config.model), str(kept))
