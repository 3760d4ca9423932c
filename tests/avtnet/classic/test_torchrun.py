"""Training under torchrun: ranks and machines come from the environment, rank 0 alone writes."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from making.windows import NANO, make_data, small_training
from safetensors.torch import load_file

from avtnet.train import train
from clipping.errors import ConfigError

ROOT = Path(__file__).parents[3]
EPOCHS = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """In spawned processes as under torchrun, which sets this by itself."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def start(folder, data, *launcher):
    """torchrun with its own words and those of a small training, as a process."""
    words = [
        *("--data_root", str(data), "--save_prefix", str(folder), "--batch_size=5", "--lr=1e-3"),
        *(f"--max_epoch={EPOCHS}", "--warmup_epoch=1", "--model.size=nano", "--model.hidden=8"),
        *("--backend=gloo", "--num_workers=0"),
    ]
    torchrun = [sys.executable, "-m", "torch.distributed.run", *launcher, "-m", "avtnet.train"]
    return subprocess.Popen(
        [*torchrun, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ended(process):
    _, said = process.communicate(timeout=300)
    return process.returncode, said


def last(folder):
    return load_file(folder / f"epoch{EPOCHS - 1:03d}.safetensors")


def test_two_processes_of_torchrun_equal_two_spawned_ones_bit_for_bit(data, tmp_path):
    folder = tmp_path / "torchrun"
    code, said = ended(start(folder, data, "--standalone", "--nproc-per-node=2"))
    assert code == 0, said
    assert said.count("windows train") == 1, "only rank 0 talks"
    spawned = small_training(
        data, tmp_path / "spawned", batch_size=5, processes=2, max_epoch=EPOCHS, model=NANO,
        num_workers=0,
    )  # fmt: skip
    one, two = last(folder), last(train(spawned))
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name
    for run in (folder, spawned.save_prefix):
        logs = sorted(path.name for path in run.glob("rank-*.log"))
        assert logs == ["rank-0.log", "rank-1.log"]
        assert "rank 1 of 2 on cpu" in (run / "rank-1.log").read_text()
        assert f"epoch {EPOCHS - 1}: loss" in (run / "rank-1.log").read_text()
    # A second run there is refused, in every process, before anything is written.
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    code, said = ended(start(folder, data, "--standalone", "--nproc-per-node=2"))
    assert code == 1
    assert "already holds a run: go on with --resume" in said
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_two_machines_train_together(data, tmp_path):
    """Two torchruns that meet on this machine, each with one process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = [
        *("--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", "--rdzv-id=test"),
        f"--rdzv-endpoint=127.0.0.1:{port}", "--local-addr=127.0.0.1",
    ]  # fmt: skip
    folder = tmp_path / "run"
    machines = [start(folder, data, *launcher) for _ in range(2)]
    for machine in machines:
        code, said = ended(machine)
        assert code == 0, said
    rows = (folder / "metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + EPOCHS
    assert last(folder)
    for rank in range(2):
        assert f"rank {rank} of 2" in (folder / f"rank-{rank}.log").read_text()


def test_nccl_without_gpus_is_refused(data, tmp_path):
    config = small_training(data, tmp_path / "run")
    with pytest.raises(ConfigError, match="--backend nccl is for GPUs"):
        train(dataclasses.replace(config, backend="nccl"))
    assert not config.save_prefix.exists()
