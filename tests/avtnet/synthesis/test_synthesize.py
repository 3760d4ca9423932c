"""Made-up episodes: labels like the challenge's and true in the file, the same on every run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from avtnet.synthesis.script import Script
from avtnet.synthesis.settings import SynthesizeConfig
from avtnet.synthesize import draw_scripts, main, make_season, synthesize
from clipping.errors import ClippingError, ConfigError
from clipping.files import find_media

# The challenge's labels: percentile → seconds in the window.
KNOWN = {
    "start": {0: 3.0, 5: 13.7, 25: 41.5, 50: 74.8, 75: 91.1, 95: 123.7, 100: 199.7},
    "end": {0: 5.0, 5: 66.7, 25: 108.2, 50: 136.5, 75: 165.5, 95: 172.9, 100: 179.8},
}
KNOWN_MEAN = {"start": 70.5, "end": 131.2}


RATE = 22_050
BLOCK = RATE // 6
SEASON_SEED = 1
"""Of a season without grain and fades, which would hide how equal the pictures are."""


def tiny(output: Path, **settings) -> SynthesizeConfig:
    """Ten-second episodes, made in this process."""
    small = {"size": "96x64", "duration": 10.0, "duration_spread": 2.0, "workers": 0}
    return SynthesizeConfig(output, **{**small, "episodes": 3, **settings})


def read_labels(folder: Path) -> dict[str, float]:
    rows = [line.split() for line in (folder / "labels.txt").read_text().splitlines()]
    return {name: float(seconds) for name, seconds in rows}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def decode(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Every frame in grey (frames, 36, 64), and the sound at 22.05 kHz; both begin at 0."""
    with av.open(str(path)) as container:
        frames = [frame for frame in container.decode(video=0)]
        assert [frame.time * 6 for frame in frames] == pytest.approx(range(len(frames)))
        grey = [frame.reformat(64, 36, "gray").to_ndarray() for frame in frames]
    with av.open(str(path)) as container:
        blocks = list(container.decode(audio=0))
        assert blocks[0].time == 0
        assert blocks[0].sample_rate == RATE
    return np.array(grey, float), np.concatenate([block.to_ndarray()[0] for block in blocks])


@pytest.mark.parametrize("side", ["start", "end"])
def test_labels_are_distributed_like_the_challenges(side):
    scripts = draw_scripts(SynthesizeConfig(Path("unused"), episodes=3000, seed=5))
    labels = np.array([script.labels[side] for script in scripts])
    for percent, seconds in KNOWN[side].items():
        # 1.63/sqrt(n) is the Kolmogorov-Smirnov bound at 1 %; half a frame is rounding.
        below = np.mean(labels <= seconds + 1 / 12)
        assert below == pytest.approx(percent / 100, abs=1.63 / 3000**0.5), (percent, seconds)
    assert labels.mean() == pytest.approx(KNOWN_MEAN[side], abs=2)
    if side == "start":
        assert np.mean((labels >= 80) & (labels <= 100)) == pytest.approx(1 / 3, abs=0.03)


@pytest.mark.parametrize("duration", [10.0, 120.0, 400.0, 1440.0])
@pytest.mark.parametrize("kind", ["dataset", "season"])
def test_parts_follow_each_other_and_the_labels_are_their_boundaries(kind, duration):
    config = SynthesizeConfig(Path("unused"), episodes=200, kind=kind, duration=duration)
    for script in draw_scripts(config):
        kinds = [part.kind for part in script.parts]
        assert kinds.count("opening") == kinds.count("ending") == 1
        assert kinds.index("opening") < kinds.index("ending")
        assert all(part.frames > 0 for part in script.parts)
        edges = [part.start_frame for part in script.parts] + [script.frames]
        assert edges[0] == 0
        assert edges[1:] == [part.end_frame for part in script.parts]
        assert duration - 1 <= script.duration <= duration + config.duration_spread + 1
        late = max(0, script.duration - 200)
        assert script.labels["start"] == script.span("opening")[1] <= 200
        assert script.labels["end"] + late == pytest.approx(script.span("ending")[0])
        assert 0 <= script.labels["end"] < 200


def make_episode(folder: Path, **settings) -> tuple[Path, Script]:
    """One episode of exactly ``duration`` seconds, and the script that it follows."""
    config = SynthesizeConfig(folder, episodes=1, duration_spread=0, rate=6, workers=0, **settings)
    synthesize(config)
    (script,) = draw_scripts(config)
    return folder / "media" / f"{script.name}.mp4", script


@pytest.mark.parametrize("seed", range(6))
def test_the_pictures_are_cut_at_the_labels(tmp_path, seed):
    path, script = make_episode(tmp_path, seed=seed, duration=20, size="96x64")
    pictures, sound = decode(path)
    assert len(pictures) == script.frames == 120
    assert 0 <= script.duration - len(sound) / RATE < 1024 / RATE
    for label in (script.span("opening")[1], script.span("ending")[0]):
        frame = round(label * 6)
        assert np.abs(pictures[frame] - pictures[frame - 1]).mean() > 12


@pytest.fixture(scope="module")
def season(tmp_path_factory) -> Path:
    """Three episodes of a series: the same opening and ending after and before other stories."""
    folder = tmp_path_factory.mktemp("season")
    make_season(folder, episodes=3, duration=60, seed=SEASON_SEED)
    return folder


def around(season: Path, truth: dict, label: str) -> tuple[np.ndarray, np.ndarray]:
    """The 12 pictures, and 12 blocks of sound, from a second before a boundary to one after."""
    pictures, sound = decode(season / truth["file"])
    frame = round((truth["opening"][1] if label == "start" else truth["ending"][0]) * 6)
    blocks = sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK)
    return pictures[frame - 6 : frame + 6], blocks[frame - 6 : frame + 6]


@pytest.mark.parametrize("label", ["start", "end"])
def test_the_song_and_its_pictures_end_and_start_exactly_at_the_label(season, label):
    truths = json.loads((season / "episodes.json").read_text())
    assert not any(truth["manner"]["grain"] or truth["manner"]["fade_opening"] for truth in truths)
    one, two, three = (around(season, truth, label) for truth in truths)
    song = range(6) if label == "start" else range(6, 12)
    for (pictures, sound), (other_pictures, other_sound) in (
        (one, two),
        (one, three),
        (two, three),
    ):
        for k in range(12):
            # The songs and their pictures are the same in every episode, the story never is.
            unlike = np.abs(pictures[k] - other_pictures[k]).mean()
            loudness = np.linalg.norm(sound[k]) * np.linalg.norm(other_sound[k])
            alike = np.dot(sound[k], other_sound[k]) / (loudness + 1e-6)
            assert (unlike < 3 and alike > 0.9) if k in song else (unlike > 6 and alike < 0.5), k


def test_the_file_is_as_long_as_its_truth_says(tmp_path):
    folder = synthesize(tiny(tmp_path, episodes=2))
    for truth in json.loads((folder / "episodes.json").read_text()):
        with av.open(str(folder / truth["file"])) as container:
            assert container.start_time == 0
            assert container.duration / 1e6 == pytest.approx(truth["duration"], abs=1e-3)
            assert {stream.codec_context.name for stream in container.streams} == {"h264", "aac"}


def test_the_labels_are_rows_of_the_challenges_format(tmp_path):
    folder = synthesize(tiny(tmp_path, episodes=4))
    labels = read_labels(folder)
    truths = json.loads((folder / "episodes.json").read_text())
    assert [truth["name"] for truth in truths] == ["s001e01", "s001e02", "s001e03", "s002e01"]
    assert set(find_media([folder / "media"])) == {truth["name"] for truth in truths}
    assert len(labels) == 8
    for truth in truths:
        assert labels[f"{truth['name']}_start"] == pytest.approx(truth["opening"][1], abs=1e-4)
        assert labels[f"{truth['name']}_end"] == pytest.approx(truth["ending"][0], abs=1e-4)


def test_the_bytes_do_not_depend_on_the_number_of_processes(tmp_path):
    here = synthesize(tiny(tmp_path / "here"))
    there = synthesize(tiny(tmp_path / "there", workers=2))
    assert contents(here) == contents(there)


def test_another_seed_makes_other_episodes(tmp_path):
    one = contents(synthesize(tiny(tmp_path / "1", episodes=1)))
    two = contents(synthesize(tiny(tmp_path / "2", episodes=1, seed=1)))
    assert one.keys() == two.keys()
    assert one["media/s001e01.mp4"] != two["media/s001e01.mp4"]
    assert one["labels.txt"] != two["labels.txt"]


def test_a_second_run_makes_only_what_is_missing_or_stale(tmp_path):
    config = tiny(tmp_path)
    synthesize(config)
    first, second, third = sorted((tmp_path / "media").iterdir())
    whole = contents(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (first, second, third)}

    def made_again() -> set[Path]:
        again = {path for path in before if path.stat().st_mtime_ns != before[path]}
        before.update({path: path.stat().st_mtime_ns for path in before})
        return again

    synthesize(config)
    assert made_again() == set()

    first.unlink()
    second.write_bytes(second.read_bytes()[:1000])
    (tmp_path / "truth" / "s001e03.json").write_text('{"half": ')
    synthesize(config)
    assert made_again() == {first, second, third}
    assert contents(tmp_path) == whole

    synthesize(replace(config, episodes=4))
    assert made_again() == set()
    assert len(read_labels(tmp_path)) == 8

    synthesize(replace(config, rate=8))
    assert made_again() == {first, second, third}


def test_the_openings_of_a_season_move_and_the_endings_stand(season):
    truths = json.loads((season / "episodes.json").read_text())
    names = [path.name for path in sorted((season / "media").iterdir())]
    assert names == ["e01.mp4", "e02.mp4", "e03.mp4"]
    assert len({truth["opening"][1] for truth in truths}) == 3
    assert np.ptp([truth["duration"] - truth["ending"][0] for truth in truths]) < 1
    lengths = {round(end - start, 3) for start, end in (truth["opening"] for truth in truths)}
    assert max(lengths) == pytest.approx(88.5 * 60 / 400, abs=0.7)


def test_a_text_detector_can_see_the_credits(tmp_path):
    from preprocess import FeatureSettings
    from preprocess.text.engine import detector

    path, script = make_episode(tmp_path, seed=2, duration=30, size="256x144")
    start, end = script.span("ending")
    engine = detector(FeatureSettings())
    with av.open(str(path)) as container:
        frames = [frame for frame in container.decode(video=0) if start + 0.5 <= frame.time < end]
        size = engine.input_size((256, 144))
        pictures = [frame.reformat(*size, "rgb24").to_ndarray() for frame in frames[::4]]
    assert pictures
    assert all(engine.find(picture) for picture in pictures)


def test_a_folder_that_is_a_file_is_one_line_and_exit_code_1(tmp_path, capsys):
    (tmp_path / "taken").write_text("mine")
    assert main(["--out", str(tmp_path / "taken"), "--episodes", "1", "--workers", "0"]) == 1
    assert "taken" in capsys.readouterr().err.strip().splitlines()[-1]
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_media_folder_that_cannot_be_made_stops_before_rendering(tmp_path):
    (tmp_path / "media").write_text("mine")
    with pytest.raises(ClippingError, match=r"media.*cannot be written"):
        synthesize(tiny(tmp_path, workers=2))
    assert not (tmp_path / "labels.txt").exists()


def test_labels_of_other_episodes_do_not_survive_a_run_that_failed(tmp_path):
    synthesize(tiny(tmp_path, episodes=1))
    (tmp_path / "media" / "s001e01.mp4").unlink()
    (tmp_path / "media" / "s001e01.mp4").mkdir()
    with pytest.raises(ClippingError, match=r"s001e01\.mp4.*what was finished is kept"):
        synthesize(tiny(tmp_path, episodes=1, seed=1))
    assert not (tmp_path / "labels.txt").exists()
    assert not list(tmp_path.rglob(".tmp-*"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": "255x144"}, "even numbers"),
        ({"size": "wide"}, "like 256x144"),
        ({"size": "8x8"}, "from 96x64"),
        ({"episodes": 0}, "episodes: from 1"),
        ({"rate": 0}, "rate: from 1 to 60"),
        ({"duration": 3.0}, "duration: from 10"),
        ({"duration": float("nan")}, "duration: from 10"),
        ({"seed": -1}, "seed: from 0"),
        ({"workers": -1}, "workers: from 0"),
    ],
)
def test_settings_out_of_range_are_named(tmp_path, wrong, message):
    with pytest.raises(ConfigError, match=message):
        tiny(tmp_path, **wrong)


def test_wrong_usage_is_exit_code_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["-o", str(tmp_path), "--size", "100x99"])
    assert stop.value.code == 2
    assert "even numbers" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals to a process group are POSIX")
def test_ctrl_c_keeps_what_is_finished(tmp_path):
    command = [sys.executable, "-m", "avtnet.synthesize", "-o", str(tmp_path), "--episodes", "200"]
    process = subprocess.Popen(
        [*command, "--duration", "10", "--size", "96x64", "--workers", "2"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that, as in a terminal, the whole group gets the signal
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("truth/[!.]*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    stderr = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "interrupted; what was finished is kept" in stderr
    assert "Traceback" not in stderr
    assert not list(tmp_path.rglob(".tmp-*"))
    made = len(list(tmp_path.glob("truth/*.json")))
    assert 0 < made < 200
    assert not (tmp_path / "labels.txt").exists()
    times = {path: path.stat().st_mtime_ns for path in sorted(tmp_path.glob("truth/*.json"))}
    synthesize(tiny(tmp_path, episodes=made, duration_spread=20.0))
    kept = [path for path, moment in times.items() if path.stat().st_mtime_ns == moment]
    assert len(kept) >= made - 2  # two processes: at most two are out of their order
