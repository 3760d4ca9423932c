"""The command: many files, several processes, bad input, interruptions."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from making.media import make_media
from PIL import Image, ImageDraw, ImageFont

from clipping.errors import ClippingError, MediaError
from clipping.extra import has_extra
from clipping.many.outcomes import Progress as AtWork
from preprocess import FeatureSettings, PreprocessConfig, load, preprocess
from preprocess.batch import dashboard
from preprocess.batch.command import main, plan
from preprocess.batch.report import WindowOutcome
from preprocess.batch.tasks import FeatureTask, Making, split_tail
from preprocess.features import SIDES

TINY = {"duration": 3, "size": (160, 90), "rate": 4, "gop": 4}
FAST = ["--features.window", "2", "--features.text_engine", "none", "--workers", "0"]


@pytest.fixture(scope="module")
def season(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("season")
    (folder / "S1").mkdir()
    make_media(folder / "S1" / "01.mkv", **TINY)
    make_media(folder / "S1" / "02 “it's” 夏.mkv", **TINY, audio_codec=None)
    return folder


def folder_of(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def _config(inputs, output: Path, **changes) -> PreprocessConfig:
    given = {"features": FeatureSettings(window=2.0, text_engine="none"), "workers": 0, **changes}
    return PreprocessConfig(inputs=tuple(map(str, inputs)), output=output, **given)


def _statuses(outcomes) -> dict[tuple[str, str], str]:
    return {(outcome.name, outcome.side): outcome.status for outcome in outcomes}


def test_a_folder_with_bad_files_is_done_as_far_as_it_goes(season, tmp_path, capsys):
    videos, output = tmp_path / "videos", tmp_path / "features"
    videos.mkdir()
    for source in (season / "S1").iterdir():
        (videos / source.name).symlink_to(source)
    (videos / "page.mp4").write_text("<html>")
    (videos / "empty.mkv").write_bytes(b"")
    assert main([str(videos), "-o", str(output), *FAST, "--workers", "2"]) == 1
    printed = capsys.readouterr()
    assert "4 made, 0 up to date, 4 failed" in printed.out
    assert "no sound" in printed.out
    assert "empty" in printed.out
    assert "%" not in printed.out, "progress goes to stderr"
    made = {path.name for path in output.glob("[!.]*.safetensors")}
    assert made == {
        "01_start.safetensors",
        "01_end.safetensors",
        "02 “it's” 夏_start.safetensors",
        "02 “it's” 夏_end.safetensors",
    }
    report = json.loads((output / "report.json").read_text())
    assert report["counts"] == {"made": 4, "up to date": 0, "failed": 4}
    assert report["stopped"] is None
    page = next(window for window in report["windows"] if window["name"] == "page")
    assert "page.mp4" in page["error"]
    silent = next(w for w in report["windows"] if w["name"].startswith("02"))
    assert silent["notes"] == ["no sound: the MFCC are zeros"]


def test_a_second_run_does_only_what_is_missing_or_stale(season, tmp_path):
    folder = tmp_path / "videos"
    first = make_media(folder_of(folder) / "01.mkv", **TINY)
    output = tmp_path / "features"
    config = _config([folder], output)
    assert set(_statuses(preprocess(config)).values()) == {"made"}
    assert set(_statuses(preprocess(config)).values()) == {"up to date"}

    start, end = output / "01_start.safetensors", output / "01_end.safetensors"
    kept = start.stat().st_mtime_ns
    os.truncate(end, 1000)
    assert _statuses(preprocess(config)) == {("01", "start"): "up to date", ("01", "end"): "made"}
    assert start.stat().st_mtime_ns == kept
    load(end)

    other = FeatureSettings(window=2.0, text_engine="none", audio="eng")
    changed = _config([folder], output, features=other, sides="start")
    assert _statuses(preprocess(changed)) == {("01", "start"): "made"}
    assert load(start).settings == other

    make_media(first, **{**TINY, "duration": 4})
    assert set(_statuses(preprocess(config)).values()) == {"made"}
    again = _config([folder], output, overwrite=True, sides="end")
    assert _statuses(preprocess(again)) == {("01", "end"): "made"}


@pytest.mark.skipif(not has_extra("rapidocr"), reason="needs avtnet[words]")
def test_words_are_kept_on_request_and_made_with_their_masks(tmp_path):
    def draw(number, time, size):
        image = Image.new("RGB", size, (30, 40, 80))
        font = ImageFont.load_default(size=36)
        ImageDraw.Draw(image).text((240, 200), "DIRECTOR ANN", "white", font, anchor="mm")
        return np.asarray(image)

    video = make_media(tmp_path / "01.mp4", duration=2, size=(480, 270), rate=4, draw=draw)
    settings = FeatureSettings(window=2.0)
    masks = _config([video], tmp_path / "out", features=settings, sides="start")
    assert _statuses(preprocess(masks)) == {("01", "start"): "made"}
    words = tmp_path / "out" / "01_start.text.json"
    assert not words.exists()
    both = _config([video], tmp_path / "out", features=settings, sides="start", text="json")
    assert _statuses(preprocess(both)) == {("01", "start"): "made"}
    content = json.loads(words.read_text())
    read = [line for line in content["lines"] if "DIRECTOR" in line["text"].replace(" ", "")]
    assert [line["second"] for line in read] == [0, 1]
    left, top, right, bottom = read[0]["box"]
    assert left < 240 < right
    assert top < 200 < bottom
    assert _statuses(preprocess(both)) == {("01", "start"): "up to date"}
    words.write_text("{")
    assert _statuses(preprocess(both)) == {("01", "start"): "made"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "inputs"),
        (["x", "--text", "json", "--features.text_engine", "none"], "needs a text engine"),
        (["x", "--easyocr-models", "y"], "--features.text-engine easyocr"),
        (["x", "--workers", "-1"], "workers must be"),
        (["x", "--file-limit", "-1"], "--file-limit must be"),
        (["x", "--features.windw", "2"], "did you mean --features.window"),
        (["x", "--sides", "middle"], "sides"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_what_is_right(words, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*words, "-o", str(tmp_path)])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_an_input_that_is_not_there_is_an_error(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere"), "-o", str(tmp_path / "out"), *FAST]) == 1
    assert "nowhere: there is no such file or folder" in capsys.readouterr().err
    assert main([str(tmp_path), "-o", str(tmp_path / "out"), *FAST]) == 1
    assert "no media files" in capsys.readouterr().err


def test_an_output_folder_that_cannot_be_written_is_told_before_the_work(season, tmp_path, capsys):
    occupied = tmp_path / "a file"
    occupied.write_text("")
    assert main([str(season), "-o", str(occupied / "features"), *FAST]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_full_disk_stops_the_batch_with_a_clear_error(season, tmp_path):
    output = tmp_path / "features"

    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))

    done = subprocess.run(
        [sys.executable, "-m", "preprocess", str(season), "-o", str(output), *FAST],
        preexec_fn=limit_file_size,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "cannot be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(output.rglob("*.safetensors")) == []
    assert list(output.rglob(".tmp-*")) == []
    assert "File too large" in json.loads((output / "report.json").read_text())["stopped"]


def _children(parent: int) -> list[int]:
    texts = [path.read_text() for path in Path(f"/proc/{parent}/task").glob("*/children")]
    return [int(number) for text in texts for number in text.split()]


def _lives_on(number: int) -> bool:
    """Whether a process still runs after 5 s; one that only waits to be buried does not."""
    for _ in range(50):
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        if state == "Z":
            return False
        time.sleep(0.1)
    return True


def _busy_batch(videos: Path, output: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A run over thirty files that has made its first window, and the processes of its crew."""
    folder_of(videos)
    make_media(videos / "00.mkv", **TINY)
    for number in range(1, 30):
        (videos / f"{number:02}.mkv").write_bytes((videos / "00.mkv").read_bytes())
    process = subprocess.Popen(
        [sys.executable, "-m", "preprocess", str(videos), "-o", str(output), "--workers", "2"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that, as in a terminal, the whole group gets the signal
    )
    deadline = time.monotonic() + 60
    while not list(output.glob("[!.]*.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.02)
    return process, _children(process.pid)


def test_ctrl_c_keeps_what_is_done_and_leaves_no_process(tmp_path):
    output = tmp_path / "features"
    process, children = _busy_batch(tmp_path / "videos", output)
    assert children
    os.killpg(process.pid, signal.SIGINT)
    stderr = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "interrupted; what was finished is kept" in stderr
    assert "Traceback" not in stderr
    assert not any(_lives_on(child) for child in children), "a process is left behind"
    made = sorted(output.glob("[!.]*.safetensors"))
    assert 0 < len(made) < 60
    for path in made:
        load(path)
    assert list(output.glob(".tmp-*")) == []
    assert "interrupted" in json.loads((output / "report.json").read_text())["stopped"]


def test_a_killed_parent_leaves_no_process_and_no_traceback(tmp_path):
    output = tmp_path / "features"
    process, children = _busy_batch(tmp_path / "videos", output)
    process.kill()
    stderr = process.communicate(timeout=30)[1]  # ends when the last of them has closed it
    assert "Traceback" not in stderr
    assert children
    assert not any(_lives_on(child) for child in children)


def test_leftovers_of_killed_runs_are_removed_when_they_are_old(season, tmp_path):
    output = folder_of(tmp_path / "features")
    old, young = output / ".tmp-old.safetensors", output / ".tmp-young.safetensors"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (0, 0))
    preprocess(_config([season], output, sides="start"))
    assert not old.exists()
    assert young.exists(), "another run may be writing it"


def test_a_media_file_that_kills_the_decoder_costs_only_itself(season, tmp_path, monkeypatch):
    """A process that is killed over a window (by the system, for memory) is a failed window."""
    killer = tmp_path / "sitecustomize.py"
    killer.write_text(
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'preprocess.extraction': os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    outcomes = preprocess(_config([season], tmp_path / "out", sides="start", workers=1))
    assert [outcome.status for outcome in outcomes] == ["failed", "failed"]
    assert all("SIGKILL" in outcome.error for outcome in outcomes)


def test_what_kills_its_worker_every_time_is_set_aside_until_it_is_another_file(
    tmp_path, monkeypatch
):
    """Of an episode whose end kills, the start is kept; the others lose nothing."""
    (tmp_path / "killer").mkdir()
    (tmp_path / "killer" / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "def hear(event, arguments):\n"
        "    if event == 'open' and 'poison' in str(arguments[0]):\n"
        "        if os.path.exists(KEPT): os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(hear)\n"
        f"KEPT = {str(tmp_path / 'out' / 'poison_start.safetensors')!r}\n"
    )
    videos = folder_of(tmp_path / "videos")
    make_media(videos / "poison.mkv", **TINY)
    make_media(videos / "good.mkv", **TINY)
    config = _config([videos], tmp_path / "out", workers=1, tries=2, sides="start")
    assert _statuses(preprocess(config)) == {("poison", "start"): "made", ("good", "start"): "made"}
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'killer'}:{os.environ.get('PYTHONPATH', '')}")

    config = dataclasses.replace(config, sides="both")
    end = ("poison", "end")
    outcomes = preprocess(config)
    assert _statuses(outcomes) == {
        ("good", "start"): "up to date",
        ("poison", "start"): "up to date",
        ("good", "end"): "made",
        end: "failed",
    }
    [failed] = [outcome for outcome in outcomes if outcome.status == "failed"]
    assert failed.attempts == ("the process was ended by SIGKILL; was the memory full?",) * 2
    assert failed.error.startswith("set aside: the process was ended by SIGKILL")
    assert failed.error.endswith("(2 tries)")

    [again] = [outcome for outcome in preprocess(config) if outcome.status == "failed"]
    assert again.error.startswith("set aside by an earlier run: the process was ended")
    assert not again.attempts
    monkeypatch.delenv("PYTHONPATH")
    anyway = dataclasses.replace(config, retry_failed=True)
    assert _statuses(preprocess(anyway))[end] == "made"

    (tmp_path / "out" / "set-aside.json").write_text("{")
    with pytest.raises(ClippingError, match=r"set-aside\.json: cannot be read as the list"):
        preprocess(config)


def test_a_window_that_fails_costs_no_other_one_of_its_file(season, tmp_path, monkeypatch):
    from preprocess import extraction

    real = extraction.extract_sides

    def broken(path, sides, *words, **named):
        """As a file whose first seconds are damaged beyond reading."""
        for side in sides:
            if side == bad:
                raise MediaError("damaged here")
            yield next(real(path, (side,), *words, **named))

    monkeypatch.setattr(extraction, "extract_sides", broken)
    for bad, good in (("start", "end"), ("end", "start")):
        outcomes = preprocess(_config([season / "S1" / "01.mkv"], tmp_path / bad))
        assert _statuses(outcomes) == {("01", bad): "failed", ("01", good): "made"}
        assert [outcome.error for outcome in outcomes if outcome.error] == ["damaged here"]


def test_the_largest_file_is_first_and_the_last_ones_are_split(tmp_path):
    for name, size in (("a", 10), ("b", 30), ("c", 20), ("d", 5)):
        (tmp_path / f"{name}.mkv").write_bytes(b"x" * size)
    tasks, _ = plan(_config([tmp_path], tmp_path / "out"))
    assert [task.name for task in tasks] == ["b", "c", "a", "d"]

    def parts(workers):
        return [(task.name, *task.sides) for task in split_tail(tasks, workers)]

    whole = [(name, "start", "end") for name in "bcad"]
    apart = [(name, side) for name in "bcad" for side in ("start", "end")]
    assert parts(0) == whole
    assert parts(1) == whole[:3] + apart[6:]
    assert parts(4) == apart
    assert parts(9) == apart


def test_the_dashboard_counts_files_and_media(monkeypatch):
    how = Making()
    tasks = [FeatureTask(name, SIDES, Path(name), Path("out"), how) for name in "abc"]
    now = iter((100.0, 110.0, 110.0))
    monkeypatch.setattr(dashboard.time, "monotonic", lambda: next(now))
    tally = dashboard.Tally(tasks)
    for name, side, status in (
        ("a", "start", "made"),
        ("b", "start", "failed"),
        ("a", "end", "made"),
        ("b", "end", "made"),
    ):
        tally.add(WindowOutcome(name, side, name, status, duration=1440.0))
    assert tally.line(None) == "files: 1 done, 1 failed, 1 left · 216x real time"
    assert tally.line(AtWork(3, 8, 5)) == (
        "3 nodes, 5 of 8 workers busy · files: 1 done, 1 failed, 1 left · 216x real time"
    )


def test_a_config_checks_itself(tmp_path):
    with pytest.raises(ClippingError, match="at least one video"):
        PreprocessConfig((), tmp_path)
    with pytest.raises(ClippingError, match="workers"):
        PreprocessConfig(("x",), tmp_path, workers=-1)


def test_the_last_line_of_a_log_is_closed(tmp_path, capsys):
    make_media(tmp_path / "a.mkv", duration=2.0, size=(160, 90))
    assert main([str(tmp_path / "a.mkv"), "-o", str(tmp_path / "out"), "--workers=0"]) == 0
    assert capsys.readouterr().err.endswith("real time\n")
