"""From a file, however strange, to a timeline: the whole chain on real media.

The network here has random weights: what it answers means nothing, that it answers (or that the
file is refused by name) is the matter. tests/avtnet/test_recipe.py holds what trained ones must
reach.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from making.media import make_media, truncate
from making.windows import make_features

from avtnet import locate
from avtnet.classic import checkpoints
from avtnet.classic.checkpoints import CheckpointInfo
from avtnet.classic.config import ModelConfig
from avtnet.classic.decode import SHIFTS, candidate_of, fuse_views, shifted
from avtnet.classic.finder import predict_window
from avtnet.classic.model import build
from avtnet.dense.info import SHIPPED as SHIPPED_DENSE
from avtnet.evaluate import main as evaluate_main
from avtnet.evidence import fuse_candidates
from avtnet.localization import main
from avtnet.predict import main as predict_main
from avtnet.search.networks import load_networks
from avtnet.search.request import LocateConfig
from clipping.errors import ClippingError
from clipping.formats.catalog import read as read_format
from clipping.formats.tables import read_timelines
from clipping.windows import WindowId, read_submission, write_labels
from preprocess.features import feature_path, save
from preprocess.settings import FeatureSettings


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Checkpoints of two kinds, of random weights."""
    folder = tmp_path_factory.mktemp("weights")
    paths = []
    for kind in ("avtnet", "avtnet_yolt"):
        config = ModelConfig(kind=kind, size="nano", hidden=8)
        torch.manual_seed(1)
        network = build(config)
        for name, part in network.named_children():
            if name.startswith("regress"):  # an answer early in the window, inside short files
                torch.nn.init.constant_(part[-2].bias, -5.0)
        path = folder / f"{kind}.safetensors"
        checkpoints.save(path, network, CheckpointInfo(config))
        paths.append(path)
    return paths


ODD_FILES = {
    "no sound.mp4": {"audio_codec": None},
    "only sound.m4a": {"video_codec": None},
    "one second.mkv": {"duration": 1.0},
    "10 bit.mkv": {"video_codec": "libx265", "pixel_format": "yuv420p10le"},
    "odd size.mkv": {"size": (321, 181), "pixel_format": "yuv444p"},
    "rotated.mp4": {"rotation": 90},
    "surround.mkv": {"layout": "5.1"},
    "two languages.mkv": {"languages": ("eng", "jpn")},
    "variable rate.mkv": {"variable": True},
    "late start.ts": {"start": 5.0},
    'it\'s "quoted", 日本語 [x] & co.mkv': {},
}


@pytest.mark.parametrize("name", ODD_FILES)
def test_any_media_file_gives_a_timeline(tmp_path, weights, name):
    path = make_media(tmp_path / name, **{"duration": 3.0, "size": (160, 90), **ODD_FILES[name]})
    found = locate(path, weights[0], min_confidence=0)
    duration = ODD_FILES[name].get("duration", 3.0)
    assert found.source == str(path)
    assert found.duration == pytest.approx(duration, abs=0.15)
    for segment in found.segments:
        assert 0 <= segment.start < segment.end <= found.duration
        assert any("not searched yet" in sentence for sentence in segment.evidence)


def test_a_file_cut_short_is_analysed_as_far_as_it_goes(tmp_path, weights):
    path = truncate(make_media(tmp_path / "short.mkv", duration=10.0, size=(160, 90)))
    assert 3 < locate(path, weights[0]).duration < 8


@pytest.mark.parametrize(
    ("name", "content"), [("empty.mkv", b""), ("text.mp4", b"hello " * 999), ("noise.mkv", None)]
)
def test_what_is_no_media_is_refused_by_name(tmp_path, weights, name, content):
    path = tmp_path / name
    path.write_bytes(np.random.default_rng(0).bytes(50_000) if content is None else content)
    with pytest.raises(ClippingError, match=name):
        locate(path, weights[0])
    with pytest.raises(ClippingError, match="no such file"):
        locate(tmp_path / "missing.mkv", weights[0])


@pytest.fixture
def season(tmp_path, weights):
    """Two good episodes and two bad ones."""
    folder = tmp_path / "Season 1"
    folder.mkdir()
    make_media(folder / "ep01.mkv", duration=4.0, size=(160, 90))
    shutil.copy(folder / "ep01.mkv", folder / "ep02.mkv")
    (folder / "ep03.mkv").write_bytes(b"")
    (folder / "ep04.mp4").write_text("not a video")
    return folder


def test_a_bad_file_does_not_stop_the_season(season, tmp_path, weights, capsys):
    out = tmp_path / "out"
    words = [str(season), "--weights", *map(str, weights), "--min-confidence=0"]
    words += [f"--json={out}/t.json", f"--csv={out}/t.csv", f"--plot={out}/plots"]
    words += [f"--clips={out}/clips", f"--features={out}/features", "--workers=1"]
    assert main(words) == 1

    said = capsys.readouterr()
    assert "ep01" in said.out
    assert "ep03.mkv" in said.err
    items = json.loads((out / "t.json").read_text())
    assert [Path(item["file"]).name for item in items] == [
        "ep01.mkv",
        "ep02.mkv",
        "ep03.mkv",
        "ep04.mp4",
    ]
    for item in items:
        assert set(item) == {"file", "duration", "segments", "error"}
        assert (item["error"] is None) == (Path(item["file"]).stem in ("ep01", "ep02"))
        for segment in item["segments"]:
            assert set(segment) == {"label", "start", "end", "confidence", "evidence"}
            assert segment["label"] in ("opening", "ending")
            assert 0 <= segment["confidence"] <= 1
    assert (out / "plots" / "ep01.png").read_bytes()[:4] == b"\x89PNG"
    assert len(read_timelines(out / "t.json")) == 4
    found = [segment for item in items for segment in item["segments"]]
    assert len(list((out / "clips").glob("*.mkv"))) == len(found) > 0

    # The features were kept: media that are gone do not hinder a second look at them.
    shutil.rmtree(season)
    assert main([f"{out}/features", "--weights", str(weights[0])]) == 0


def test_a_script_may_call_it_bare(tmp_path, weights):
    """No ``if __name__ == "__main__":`` is needed, as the README promises by its example."""
    make_media(tmp_path / "ep.mkv", duration=2.0, size=(160, 90))
    script = tmp_path / "script.py"
    script.write_text(f"from avtnet import locate\nprint(locate('ep.mkv', {str(weights[0])!r}))\n")
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("Timeline(source='ep.mkv'"), done.stderr


def test_episodes_of_one_name_keep_their_clips_and_pictures_apart(tmp_path, weights, capsys):
    for season in ("S1", "S2"):
        (tmp_path / "show" / season).mkdir(parents=True)
    first = make_media(tmp_path / "show/S1/[red]01.mkv", duration=3.0, size=(160, 90))
    shutil.copy(first, tmp_path / "show/S2")
    shutil.copy(first, tmp_path / "show/S1_[red]01.mkv")
    # A checkpoint among the episodes is no reason to take the folder for one of features.
    shutil.copy(weights[0], tmp_path / "show")
    words = [str(tmp_path / "show"), f"--weights={weights[0]}", "--workers=0"]
    folders = [f"--clips={tmp_path}/clips", f"--plot={tmp_path}/plots"]
    assert main([*words, *folders, "--min-confidence=0"]) == 0
    pictures = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")}
    assert pictures == {f"plots/{name}_red_01.png" for name in ("S1/", "S2/", "S1_")}
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.mkv")}
    assert {f"clips/{season}/[red]01.opening.mkv" for season in ("S1", "S2")} <= made
    assert "S1/[red]01" in capsys.readouterr().out
    # Where nothing is found there is nothing to cut, and nothing has failed.
    assert main([*words, f"--clips={tmp_path}/none", "--min-confidence=1"]) == 0


def test_what_is_asked_for_and_not_there_is_named(tmp_path, capsys):
    """An episode of --explain that no file has; a folder without any media."""
    (tmp_path / "media").mkdir()
    make_media(tmp_path / "media" / "ep01.mkv", duration=2.0, size=(160, 90))
    (tmp_path / "none").mkdir()
    words = ["--network=never", "--workers=0", "--explain", "ep01", "ep10.mkv"]
    assert main([str(tmp_path / "media"), *words]) == 1
    said = capsys.readouterr()
    assert "no source tells of anything" in said.out
    assert "failed: --explain ep10.mkv: no episode that was searched has this name" in said.err
    assert "--explain ep01:" not in said.err
    assert main([str(tmp_path / "none"), "--network=never"]) == 1
    assert "none: there are no media files in it" in capsys.readouterr().err


def test_a_number_of_workers_that_none_can_be_is_wrong_usage(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), "--workers=-1"])
    assert "--workers must be 0 to 1024, got -1" in capsys.readouterr().err


def test_what_cannot_be_written_is_said_before_the_work(season, tmp_path, weights, capsys):
    (tmp_path / "file").write_text("in the way")
    for suffix in ("json", "csv"):
        (tmp_path / f"folder.{suffix}").mkdir()
    words = [str(season), f"--weights={weights[0]}", "--workers=0"]
    for option in ("--json", "--csv", "-o"):
        suffix = "json" if option == "--json" else "csv"
        for place in (f"{tmp_path}/file/x.{suffix}", f"{tmp_path}/folder.{suffix}"):
            command = predict_main if option == "-o" else main
            assert command([*words, option, place]) == 1
            said = capsys.readouterr().err
            assert said.count("\n") == 1, "no progress bar, no episode"
            assert str(tmp_path) in said
    assert main([*words, f"--clips={tmp_path}/file"]) == 1
    assert main([*words, f"--plot={tmp_path}/file/plots"]) == 1


def test_a_language_that_one_file_lacks_fails_that_file_alone(tmp_path, weights, capsys):
    quick = {"duration": 2.0, "size": (160, 90)}
    (tmp_path / "in").mkdir()
    make_media(tmp_path / "in/both.mkv", languages=("eng", "jpn"), **quick)
    make_media(tmp_path / "in/one.mkv", languages=("eng",), **quick)
    words = [str(tmp_path / "in"), f"--weights={weights[0]}", "--workers=0", "--audio=jpn"]
    assert main([*words, f"--json={tmp_path}/t.json"]) == 1
    both, one = read_timelines(tmp_path / "t.json")
    assert both.error is None
    assert "no sound stream 'jpn'; it has 1 (eng)" in one.error


def test_a_name_that_no_table_holds_fails_alone(tmp_path, weights, capsys):
    good = make_media(tmp_path / "$cost.mkv", duration=2.0, size=(160, 90))
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.mkv")
    shutil.copy(good, odd)
    words = [str(tmp_path), f"--weights={weights[0]}", "--workers=0", f"--json={tmp_path}/t.json"]
    assert main([*words, f"--plot={tmp_path}/plots"]) == 1
    assert [found.error is None for found in read_timelines(tmp_path / "t.json")] == [True, False]
    assert "rename the file" in capsys.readouterr().err
    assert (tmp_path / "plots" / "_cost.png").exists()


def test_ctrl_c_keeps_what_was_found(season, tmp_path, weights, monkeypatch, capsys):
    """The interrupt comes between two episodes; a real signal is sent in test_preprocess_batch.py
    and test_train.py.
    """
    asked = []

    def look_until_interrupted(features, models):
        asked.append(features.name)
        if features.name == "ep02":
            raise KeyboardInterrupt
        return predict_window(features, models)

    monkeypatch.setattr("avtnet.classic.finder.predict_window", look_until_interrupted)
    words = [str(season), f"--weights={weights[0]}", f"--json={tmp_path}/t.json", "--workers=1"]
    assert main(words) == 130
    assert asked == ["ep01", "ep01", "ep02"]
    (item,) = json.loads((tmp_path / "t.json").read_text())
    assert item["file"].endswith("ep01.mkv")
    assert "interrupted" in capsys.readouterr().err


def test_predict_writes_the_challenge_rows(season, tmp_path, weights, capsys):
    rows = tmp_path / "rows.csv"
    words = [str(season), f"--weights={weights[0]}", "-o", str(rows), "--workers=1"]
    assert predict_main(words) == 1
    assert "ep04" in capsys.readouterr().err
    assert rows.read_text().count("\n") == 4
    assert rows.read_text().startswith("ep01_end.mp4,e,")
    assert all(0 <= position <= 200 for position in read_submission(rows).values())


def test_evaluate_prints_stores_and_draws(season, tmp_path, weights, capsys):
    data = tmp_path / "data"
    (season / "ep03.mkv").unlink()
    (season / "ep04.mp4").unlink()
    words = [str(season), f"--weights={weights[0]}", f"--features={data}/features", "--workers=1"]
    assert predict_main([*words, "-o", str(tmp_path / "rows.csv")]) == 0
    labels = {WindowId(name, side): 50.0 for name in ("ep01", "ep02") for side in ("start", "end")}
    write_labels(data / "labels.txt", labels)
    capsys.readouterr()
    words = [f"--data_root={data}", "-o", str(tmp_path / "report")]
    assert evaluate_main([*words, f"--weights={weights[0]}"]) == 0
    by_weights = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert evaluate_main([*words, f"--submission={tmp_path}/rows.csv"]) == 0
    by_rows = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert by_weights["all"]["score"] == pytest.approx(by_rows["all"]["score"], abs=1e-3)
    assert set(by_rows) == {"all", "start", "end"}
    assert "worst windows" in capsys.readouterr().out
    assert (tmp_path / "report" / "errors.png").read_bytes()[:4] == b"\x89PNG"
    errors = (tmp_path / "report" / "errors.csv").read_text().splitlines()
    assert errors[0] == "window,true,predicted,error"
    assert len(errors) == 5


def test_features_of_other_settings_are_refused_by_name(tmp_path, weights, capsys):
    from preprocess.features import save

    save(make_features("ep01", "start", 60.0), tmp_path / "ep01_start.safetensors")
    assert main([str(tmp_path), f"--weights={weights[0]}"]) == 1
    assert "window 20.0 (not 200.0)" in capsys.readouterr().err


def test_without_weights_a_wrong_device_or_input_the_user_is_told(tmp_path, weights, capsys):
    assert main([str(tmp_path / "nowhere"), f"--weights={weights[0]}"]) == 1
    assert main([str(tmp_path), f"--weights={tmp_path}/no.safetensors"]) == 1
    assert "no.safetensors" in capsys.readouterr().err
    assert main([str(tmp_path), f"--weights={weights[0]}", "--device=banana"]) == 1
    assert "--device" in capsys.readouterr().err
    for words in ("--csv=x.json", "--json=x.csv"):
        with pytest.raises(SystemExit, match="2"):
            main([str(tmp_path), f"--weights={weights[0]}", words])
    with pytest.raises(SystemExit, match="2"):
        predict_main([str(tmp_path)])
    assert "--weights" in capsys.readouterr().err


def test_episodes_that_an_option_swallowed_are_told_and_no_demo_is_made(
    tmp_path, weights, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(["--weights", str(weights[0]), "my season"])
    assert "also my season" in capsys.readouterr().err
    (tmp_path / "my season").mkdir()
    for words in (["--explain", "all"], ["--write", "edl"]):
        with pytest.raises(SystemExit, match="2"):
            main([*words, "my season"])
        assert f"name what to search before {words[0]}" in capsys.readouterr().err
    assert main(["--weights", "gone.safetensors"]) == 1
    assert "gone.safetensors" in capsys.readouterr().err
    assert not list(tmp_path.glob("avtnet-demo"))


def test_where_no_network_is_asked_none_is_loaded(tmp_path, monkeypatch, capsys):
    def loaded(*_):
        raise AssertionError("a network was loaded")

    for name in ("avtnet.dense.onnx_network.shipped_onnx", "avtnet.classic.checkpoints.load"):
        monkeypatch.setattr(name, loaded)
    (tmp_path / "media").mkdir()
    make_media(tmp_path / "media" / "ep.mkv", duration=3.0, size=(160, 90))
    path = feature_path(tmp_path / "features", "ready", "start")
    save(make_features("ready", "start", 60), path)
    words = ["--network=never", "--workers=0", f"--plot={tmp_path}/plots"]
    for folder in ("media", "features"):
        assert main([str(tmp_path / folder), *words]) == 0
        said = capsys.readouterr()
        assert "nothing found" in said.out
        assert "by a network" not in said.err
    assert [path.name for path in tmp_path.rglob("*.png")] == ["ready.png"]


def test_without_weights_the_picture_shows_the_network_that_was_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("avtnet.classic.checkpoints.load", lambda *_: pytest.fail("not this one"))
    make_media(tmp_path / "ep.mkv", duration=3.0, size=(160, 90))
    drawn = []
    monkeypatch.setattr(
        "avtnet.search.plot._draw_candidates", lambda axis, features, said: drawn.append(said)
    )
    words = ["--network=always", "--workers=1", "--min-confidence=0", f"--plot={tmp_path}/plots"]
    assert main([str(tmp_path / "ep.mkv"), *words]) == 0
    assert (tmp_path / "plots" / "ep.png").read_bytes()[:4] == b"\x89PNG"
    assert len(drawn) == 2


def test_a_moved_window_holds_the_same_seconds_earlier():
    settings = FeatureSettings()
    features = make_features("ep", "start", 100.0, settings)
    moved = shifted(features, 5)
    assert np.array_equal(moved.frames[:-5], features.frames[5:])
    assert not moved.frames[-5:].any()
    columns = round(5 * 22050 / 512)
    assert np.array_equal(moved.mfcc[:, :-columns], features.mfcc[:, columns:])


def segments_of(*boundaries, min_confidence):
    """The segments that these boundaries alone make."""
    candidates = [candidate_of(each, "w") for each in boundaries]
    return fuse_candidates(candidates, 400.0, min_confidence=min_confidence)


def test_a_model_that_ignores_the_window_is_not_believed():
    """Its answer stays where it is when the window moves, so the moved views contradict it."""
    features = make_features("ep", "start", 100.0, FeatureSettings())
    sure = fuse_views(features, {"a": [100.0, 100.1, 99.9], "b": [100.2, 100.0, 100.1]})
    stuck = fuse_views(features, {"a": [100.0 + shift for shift in SHIFTS]})
    assert sure.confidence > 0.8 > 0.5 > stuck.confidence
    assert segments_of(stuck, min_confidence=0.5) == ()
    (opening,) = segments_of(sure, min_confidence=0.5)
    assert (opening.label, opening.start) == ("opening", 0.0)
    assert opening.end == pytest.approx(100.05, abs=0.06)


def test_a_checkpoint_that_is_named_twice_is_asked_once(tmp_path, weights):
    link = tmp_path / "again.safetensors"
    link.symlink_to(weights[0])
    dense = tmp_path / "dense.safetensors"
    dense.symlink_to(SHIPPED_DENSE)
    paths = (weights[0], SHIPPED_DENSE, weights[1], link, weights[0], dense)
    classic, dense = load_networks(LocateConfig(weights=paths)).finders
    assert classic.paths == (weights[0], weights[1])
    assert dense.paths == (SHIPPED_DENSE,)


def test_a_short_file_does_not_get_two_names_for_the_same_seconds():
    start = fuse_views(make_features("ep", "start", 0), {"a": [15.0, 15.0, 15.0]})
    end = fuse_views(make_features("ep", "end", 0), {"a": [10.0, 50.0, 90.0]})
    (only,) = segments_of(start, end, min_confidence=0)
    assert only.label == "opening"


def test_no_ffmpeg_on_the_path_is_needed(season, tmp_path, weights):
    words = [str(season / "ep01.mkv"), "--weights", str(weights[0]), f"--json={tmp_path}/t.json"]
    finished = subprocess.run(
        [sys.executable, "-m", "avtnet.locate", *words],
        env={**os.environ, "PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads((tmp_path / "t.json").read_text())[0]["error"] is None


def test_the_demo_weights_take_features_made_with_the_defaults():
    info = checkpoints.read_info(Path(__file__).parents[2] / "weights" / "demo.safetensors")
    assert info.features.decisive() == FeatureSettings().decisive()


def test_players_files_are_written_beside_the_media_or_in_a_folder(tmp_path, weights, capsys):
    media = tmp_path / "S1" / "ep01.mkv"
    media.parent.mkdir()
    make_media(media, duration=4.0, size=(160, 90))
    words = [str(tmp_path / "S1"), f"--weights={weights[0]}", "--workers=0", "--min-confidence=0"]
    assert main([*words, "--write", "edl,json,needle", "--padding=-0.1"]) == 0
    found = read_format(tmp_path / "S1" / "ep01.avtnet.json")
    plain = locate(media, weights[0], min_confidence=0)
    assert found.source == str(media)
    assert [s.label for s in found.segments] == [s.label for s in plain.segments] != []
    for one, other in zip(found.segments, plain.segments, strict=True):
        assert one.start == pytest.approx(other.start + 0.1)
        assert one.end == pytest.approx(other.end - 0.1)
    lines = (tmp_path / "S1" / "ep01.edl").read_text().splitlines()
    assert len(lines) == len(plain.segments)
    assert main([*words, "--write", "ogm", f"--write-to={tmp_path}/out"]) == 0
    assert (tmp_path / "out" / "ep01.chapters.txt").exists()
    with pytest.raises(SystemExit):
        main([*words, "--write", "edll"])
    assert "did you mean edl?" in capsys.readouterr().err
