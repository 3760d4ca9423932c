"""AVTNetDense and its tuning by the commands for all tasks: train, evaluate, predict."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from making.dense_windows import taught, window
from making.media import make_media
from making.pieces import render_pieces

from avtnet import locate
from avtnet.dense import checkpoint as dense_checkpoint
from clipping.__main__ import main
from clipping.formats.tables import read_timelines
from preprocess.features import save

SMALL = (
    "--model.width 16 --model.dilations 1 2 --model.sound 8 8 8 --model.frames 8 8 --model.text 8 8"
).split()


@pytest.fixture(scope="module")
def episode(tmp_path_factory):
    """Fifty seconds, bright and loud from 6.5 to 30 s, with a label next to them."""
    path = tmp_path_factory.mktemp("show") / "01.mkv"

    def draw(number, time, size):
        return np.full((size[1], size[0], 3), 200 if 6.5 <= time < 30 else 40, np.uint8)

    def sound(times, track):
        loud = np.where((times >= 6.5) & (times < 30), 0.5, 0.005)
        return loud * np.sin(2 * np.pi * 440 * times)

    make_media(
        path, duration=50.0, size=(96, 64), rate=2, audio_rate=22050, layout="mono", draw=draw,
        sound=sound,
    )  # fmt: skip
    path.with_name("01.edl").write_text("6.5 30 4\n")
    return path


def figures_of(printed):
    """Return the figures that ``evaluate`` prints, by name."""
    return {line.rsplit(None, 1)[0]: float(line.split()[-1]) for line in printed.splitlines()}


def test_avtnet_dense_is_trained_tuned_judged_and_asked(episode, tmp_path, capsys):
    pieces = render_pieces(tmp_path / "library")
    settings = ["--library", str(pieces), "--shards", "1", "--validation-shards", "1"]
    settings += ["--validation", "2", *SMALL]
    training = "--steps 2 --batch-size 2 --validate-every 2".split()
    dense, run = ["--task", "avtnet-dense"], tmp_path / "run"
    assert main(["train", *dense, *settings, *training, "--output", str(run)]) == 0
    checkpoint = run / "dense.safetensors"
    assert f"written: {checkpoint}" in capsys.readouterr().err
    known = dense_checkpoint.load(checkpoint).info.metrics
    asked = ["--checkpoint", str(checkpoint)]
    assert main(["evaluate", *dense, *settings, *asked]) == 0
    judged = figures_of(capsys.readouterr().out)
    # The same figures on the same windows as at the end of the training.
    finite = {name: value for name, value in judged.items() if math.isfinite(value)}
    assert finite == {name: pytest.approx(value, rel=1e-5) for name, value in known.items()}
    assert main(["evaluate", *dense, *settings, *asked, "--validation-shards", "0"]) == 1
    assert "nothing validates" in capsys.readouterr().err

    tune, out = ["--task", "avtnet-tune", "--inputs", str(episode)], tmp_path / "tuned"
    words = ["--init", str(checkpoint), "--steps", "3", "--workers", "0", "--output", str(out)]
    assert main(["train", *tune, *words]) == 0
    tuned = out / "dense.safetensors"
    assert dense_checkpoint.load(tuned).info.trained_on.endswith("labelled episodes: 01")
    words = ["--checkpoint", str(tuned), "--workers", "0", "--output", str(out)]
    capsys.readouterr()
    assert main(["evaluate", *tune, *words]) == 0
    assert {"found", "error of ends (s)"} <= figures_of(capsys.readouterr().out).keys()

    found = tmp_path / "found.json"
    words = ["--checkpoint", str(tuned), str(episode), str(tmp_path / "gone.mkv"), "-o", str(found)]
    assert main(["predict", "--task", "avtnet-tune", *words]) == 1
    assert "gone.mkv: there is no such file" in capsys.readouterr().err
    timelines = read_timelines(found)
    assert [each.source for each in timelines] == [str(episode), str(tmp_path / "gone.mkv")]
    assert timelines[0].error is None
    assert timelines[0].duration == pytest.approx(50.0, abs=0.1)
    assert json.loads(found.read_text())[1]["error"]


def test_a_task_answers_what_locate_answers_by_the_network_alone(tmp_path):
    features, found = tmp_path / "ep_start.safetensors", tmp_path / "found.json"
    save(window(48, (10.0, 40.0)), features)
    network = taught()
    checkpoint = tmp_path / "taught.safetensors"
    dense_checkpoint.save(checkpoint, network.network, network.info)
    words = ["--task", "avtnet-dense", "--checkpoint", str(checkpoint), str(features)]
    assert main(["predict", *words, "-o", str(found)]) == 0
    [timeline] = read_timelines(found)
    (opening,) = timeline.segments
    assert (opening.start, opening.end) == pytest.approx((10.0, 40.0), abs=2.0)
    located = locate(features, checkpoint)
    assert located.segments == timeline.segments
