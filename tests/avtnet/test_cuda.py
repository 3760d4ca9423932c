"""Training and predicting on GPUs: ``python -m pytest -m cuda``.

Without a GPU these are skipped, unless FAIL_WITHOUT_CUDA=1 says that there must be one.
"""

import csv
import dataclasses
import os

import pytest
import torch
from making.dense_windows import taught, window
from making.windows import make_data

from avtnet.classic.config import ModelConfig, TrainConfig
from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.dense import inference
from avtnet.evaluate import EvaluateConfig, evaluate
from avtnet.train import train

pytestmark = pytest.mark.cuda


@pytest.fixture
def gpus():
    count = torch.cuda.device_count()
    if not count and os.environ.get("FAIL_WITHOUT_CUDA") != "1":
        pytest.skip("torch sees no GPU")
    assert count, "FAIL_WITHOUT_CUDA=1, and torch sees no GPU"
    return count


@pytest.mark.parametrize("use_amp", [False, True])
def test_one_gpu_trains_and_predicts_like_the_cpu(gpus, tmp_path, use_amp):
    config = TrainConfig(
        data_root=make_data(tmp_path / "data"),
        save_prefix=tmp_path / "run",
        gpus="0",
        use_amp=use_amp,
        batch_size=4,
        max_epoch=3,
        warmup_epoch=1,
        model=ModelConfig(size="nano", hidden=8),
    )
    best = train(config) / "best.safetensors"
    scores = [
        evaluate(EvaluateConfig(data_root=config.data_root, weights=best, device=device))
        for device in ("cpu", "cuda")
    ]
    assert scores[0].figures["all"]["mae"] == pytest.approx(
        scores[1].figures["all"]["mae"], abs=0.05
    )
    train(dataclasses.replace(config, test=True, weights=best))  # on the GPU, weights and windows


def test_all_gpus_share_a_batch(gpus, tmp_path):
    """Named with --gpus 0,1,…; on one GPU this is the run above through the other option."""
    config = TrainConfig(
        data_root=make_data(tmp_path / "data"),
        save_prefix=tmp_path / "run",
        gpus=",".join(map(str, range(gpus))),
        batch_size=4 * gpus,
        max_epoch=1,
        warmup_epoch=0,
        model=ModelConfig(size="nano", hidden=8),
    )
    (row,) = csv.DictReader((train(config) / "metrics.csv").read_text().splitlines())
    assert 0 < float(row["train_loss"]) < 200


def test_avtnetdense_says_on_a_gpu_what_it_says_on_the_cpu(gpus, tmp_path):
    dense_checkpoint.save(tmp_path / "a.safetensors", taught().network, taught().info)
    windows = [window(seconds, (12.0, 40.0), seed=seconds) for seconds in (60, 200, 60)]
    answers = [
        [inference.find_segments(each, checkpoint) for each in windows]
        for device in ("cpu", "cuda")
        for checkpoint in [dense_checkpoint.load(tmp_path / "a.safetensors", device)]
    ]
    for some, others in zip(*answers, strict=True):
        assert [each.label for each in some] == [each.label for each in others] == ["opening"]
        for one, other in zip(some, others, strict=True):
            assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=0.05)
            assert one.score == pytest.approx(other.score, abs=0.02)
