"""Batches on a real Ray cluster of several nodes on this machine, which loses some of them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from making.media import make_media
from making.ray_cluster import NODE, cluster_with_killer

from clipping.errors import ClippingError
from preprocess import FeatureSettings, PreprocessConfig, preprocess
from preprocess.batch.command import carry_out, main, plan

ROOT = Path(__file__).parents[2]
TINY = {"duration": 3, "size": (160, 90), "rate": 4, "gop": 4}
FAST = FeatureSettings(window=2.0, text_engine="none")

# Ray leaves the pipes of what it starts to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

# A worker that opens a file of such a name is killed in the middle of its task, as the system does
# when memory is full: over "poison" always, over "once" as long as the flag is there.
KILLER = """\
import os, signal, sys
def hear(event, arguments):
    if event != "open" or not str(arguments[0]).endswith(("poison.mkv", "once.mkv")):
        return
    if "once" in str(arguments[0]):
        try:
            os.unlink(FLAG)
        except FileNotFoundError:
            return
    os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hear)
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A head without cores, and two nodes of one core."""
    with cluster_with_killer(tmp_path, monkeypatch, KILLER) as made:
        yield made


@pytest.fixture
def season(tmp_path) -> Path:
    """Ten good episodes, one of which kills a worker once; one that always does; no media."""
    folder = tmp_path / "season"
    folder.mkdir()
    first = make_media(folder / "00.mkv", **TINY)
    for name in (*(f"{number:02}" for number in range(1, 9)), "once"):
        (folder / f"{name}.mkv").write_bytes(first.read_bytes())
    (folder / "poison.mkv").write_bytes(first.read_bytes())
    (folder / "page.mkv").write_text("<html>")
    return folder


def made_in(folder: Path) -> dict[str, bytes]:
    """The feature files by name, without what a killed worker was writing."""
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*.safetensors")}


def test_a_cluster_that_loses_workers_and_a_node_makes_what_one_machine_makes(
    cluster, season, tmp_path
):
    node = cluster.add_node(num_cpus=1, **NODE)
    inputs, output = (str(season),), tmp_path / "ray"
    config = PreprocessConfig(
        inputs, output, features=FAST, engine="ray", address=cluster.address, tries=2
    )
    tasks, settled = plan(config)
    assert not settled
    outcomes, crews = [], []
    for outcome in carry_out(config, tasks, crews.append):
        outcomes.append(outcome)
        if len(outcomes) == 8:
            cluster.remove_node(node, allow_graceful=False)
    assert set(Counter((outcome.name, outcome.side) for outcome in outcomes).values()) == {1}
    failed = {(o.name, o.side): o for o in outcomes if o.status == "failed"}
    assert {name for name, _ in failed} == {"page", "poison"}
    assert len(outcomes) == 24
    assert len(failed) == 4
    assert failed["poison", "end"].error == (
        "set aside: the worker died (was it killed, or its memory full?) (2 tries)"
    )
    assert not failed["page", "end"].attempts, "what is no media is not tried again"
    [once] = [o for o in outcomes if o.name == "once" and o.side == "start"]
    assert once.status == "made"
    assert once.attempts == ("the worker died (was it killed, or its memory full?)",)
    assert {crew.nodes for crew in crews} >= {3}
    assert max(crew.busy for crew in crews) == 2

    here = PreprocessConfig(inputs, tmp_path / "here", features=FAST, workers=1)
    (season / "poison.mkv").rename(tmp_path / "poison.mkv")
    preprocess(here)
    (tmp_path / "poison.mkv").rename(season / "poison.mkv")
    assert made_in(output) == made_in(tmp_path / "here")
    assert len(made_in(output)) == 20

    again = preprocess(config)
    assert Counter(outcome.status for outcome in again) == {"up to date": 20, "failed": 4}
    aside = [outcome.error for outcome in again if outcome.name == "poison"]
    assert all(error.startswith("set aside by an earlier run: the worker died") for error in aside)


def test_without_an_address_a_cluster_is_started_for_now(season, tmp_path, capsys):
    pytest.importorskip("ray")
    (season / "poison.mkv").unlink()
    words = ["--features.window", "2", "--features.text_engine", "none", "--engine", "ray"]
    done = main([str(season), "-o", str(tmp_path / "out"), *words, "--workers", "2"])
    import ray

    assert not ray.is_initialized()
    assert done == 1
    assert "20 made, 0 up to date, 2 failed" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "report.json").read_text())["stopped"] is None


def test_a_cluster_that_is_not_there_is_an_error(season, tmp_path, capsys):
    pytest.importorskip("ray")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        words = ["--engine", "ray", "--address", address, "-o", str(tmp_path / "out")]
        assert main([str(season), *words]) == 1
    assert f"the Ray cluster at {address} cannot be used" in capsys.readouterr().err


def test_ray_is_loaded_only_where_it_is_asked_for():
    code = "import sys, preprocess, preprocess.batch.command; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"address": "auto"}, "goes with --engine ray"),
        ({"engine": "ray", "workers": 0}, "at least one worker"),
        ({"tries": 0}, "tries must be 1 to 100"),
    ],
)
def test_what_does_not_go_together(wrong, message):
    with pytest.raises(ClippingError, match=message):
        PreprocessConfig(("x",), Path("out"), **wrong)
