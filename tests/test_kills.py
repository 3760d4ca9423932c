"""kill -9 and a full disk, at any moment: what stands is whole, and the next run makes the rest."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from making.media import make_media
from PIL import Image, ImageDraw, ImageFont

from clipping.extra import has_extra
from preprocess import FeatureSettings, PreprocessConfig, preprocess
from preprocess.batch.command import LEFTOVER_HOURS

EPISODES = 16
SIDES = 2


@pytest.fixture(scope="module")
def season(tmp_path_factory) -> Path:
    """Episodes of 3 s with a line of text; the even ones are the odd ones under another name."""
    folder = tmp_path_factory.mktemp("season")

    def draw(number, time, size):
        image = Image.new("RGB", size, (30, 40, 80))
        font = ImageFont.load_default(size=36)
        ImageDraw.Draw(image).text((240, 200), f"EPISODE {number}", "white", font, anchor="mm")
        return np.asarray(image)

    for number in range(0, EPISODES, 2):
        path = folder / f"{number:02}.mkv"
        make_media(path, duration=3 + number / 100, size=(480, 270), rate=4, gop=4, draw=draw)
        shutil.copy(path, folder / f"{number + 1:02}.mkv")
    return folder


def words_of(settings: FeatureSettings, text: str) -> list[str]:
    """The settings as a command line says them."""
    audio = [] if settings.audio is None else ["--features.audio", str(settings.audio)]
    engine = ["--features.text_engine", settings.text_engine]
    return ["--features.window", "2", *engine, *audio, "--text", text, "--workers", "2"]


def contents(folder: Path) -> dict[str, bytes]:
    """What stands in a folder for users, by name: no report, no temporary files."""
    paths = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".tmp-")]
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths if p.name != "report.json"}


def uninterrupted(season: Path, output: Path, settings: FeatureSettings, text) -> dict[str, bytes]:
    """What a run makes that nobody interrupts."""
    config = PreprocessConfig(
        (str(season),), output, workers=0, text=text, features=settings, overwrite=True
    )
    assert {outcome.status for outcome in preprocess(config)} == {"made"}
    made = contents(output)
    assert len(made) == EPISODES * SIDES * (2 if text == "json" else 1)
    return made


class Run:
    """A run of the command in a process group of its own, and what can be done to it."""

    def __init__(self, season: Path, output: Path, words: list[str]) -> None:
        self._output = output
        self._before = self._states()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "preprocess", str(season), "-o", str(output), *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_a_result(self) -> None:
        """Until it has made something, or has ended."""
        deadline = time.monotonic() + 120
        while self._process.poll() is None and self._states() == self._before:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def kill(self, whom: str, random: np.random.Generator) -> str:
        """kill -9 ``all``, the ``parent``, or a ``worker``; what stood on stderr when all ended."""
        number = self._process.pid
        if whom == "worker":
            if children := self._children():
                os.kill(children[int(random.integers(len(children)))], signal.SIGKILL)
        elif whom == "parent":
            self._process.kill()
        elif self._process.poll() is None:
            os.killpg(number, signal.SIGKILL)
        # Standard error is closed when the last of them has ended.
        return self._process.communicate(timeout=120)[1]

    def _children(self) -> list[int]:
        number = self._process.pid
        try:
            texts = [path.read_text() for path in Path(f"/proc/{number}/task").glob("*/children")]
        except OSError:
            return []
        return [int(child) for text in texts for child in text.split()]

    def _states(self) -> dict[Path, int]:
        return {p: p.stat().st_ino for p in self._output.rglob("[!.]*") if p.is_file()}


def kill_and_resume(season: Path, folder: Path, text, engine: str, kills: int, seed: int) -> None:
    """Kill runs that begin in an empty folder, over old features, or where the last one ended."""
    old_settings = FeatureSettings(window=2.0, text_engine=engine, audio="eng")
    settings = FeatureSettings(window=2.0, text_engine=engine)
    words = words_of(settings, text)
    old = uninterrupted(season, folder / "old", old_settings, text)
    whole = uninterrupted(season, folder / "whole", settings, text)
    assert all(old[name] != whole[name] for name in whole)
    random = np.random.default_rng(seed)
    output = folder / "output"
    output.mkdir()
    struck_at = []
    for number in range(kills):
        if contents(output) == whole or number % 5 == 0:
            shutil.rmtree(output)
            if number % 2:
                shutil.copytree(folder / "old", output)
            else:
                output.mkdir()
        run = Run(season, output, words)
        at_work = random.random() < 0.8
        if at_work:
            run.wait_for_a_result()
            time.sleep(random.uniform(0, 0.3))
        else:
            time.sleep(random.uniform(0, 1.5))
        stderr = run.kill(str(random.choice(["all", "all", "parent", "worker"])), random)
        # A process that is being born over the kill may say so in Python's own words.
        assert not at_work or "Traceback" not in stderr, stderr
        found = contents(output)
        for name, content in found.items():
            assert content in (whole[name], old[name]), f"{name} is half written (kill {number})"
            # Where the features are of today, the words with them are.
            if text == "json" and name.endswith(".safetensors") and content == whole[name]:
                beside = name.replace(".safetensors", ".text.json")
                assert found[beside] == whole[beside]
        struck_at.append(sum(content == whole[name] for name, content in found.items()))
    print(f"files made when the kill came: {struck_at}")
    assert any(0 < made < len(whole) for made in struck_at), "no kill came during the work"

    old_time = time.time() - LEFTOVER_HOURS * 3600 - 60
    for leftover in output.rglob(".tmp-*"):
        os.utime(leftover, (old_time, old_time))
    (output / ".tmp-of-a-run-that-may-live").write_bytes(b"")
    command = [sys.executable, "-m", "preprocess", str(season), "-o", str(output), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)
    assert contents(output) == whole
    assert [p.name for p in output.rglob(".tmp-*")] == [".tmp-of-a-run-that-may-live"]
    report = json.loads((output / "report.json").read_text())
    assert report["stopped"] is None
    assert report["counts"]["failed"] == 0


def test_killed_runs_go_on_where_they_were(season, tmp_path):
    kill_and_resume(season, tmp_path, "masks", "none", kills=4, seed=1)


@pytest.mark.skipif(not has_extra("rapidocr"), reason="needs avtnet[words]")
def test_killed_runs_leave_no_features_without_their_words(season, tmp_path):
    kill_and_resume(season, tmp_path, "json", "ppocr", kills=2, seed=2)


@pytest.mark.slow
@pytest.mark.parametrize(("text", "engine"), [("masks", "none"), ("json", "ppocr")])
def test_50_killed_runs_go_on_where_they_were(season, tmp_path, text, engine):
    kill_and_resume(season, tmp_path, text, engine, kills=50, seed=3)


ON_A_SMALL_DISK = """
import json, subprocess, sys
from pathlib import Path
season, disk, size, *words = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "small", disk], check=True)
command = [sys.executable, "-m", "preprocess", season, "-o", disk + "/features", *words]
told = []
for more in (None, "remount,size=100m"):
    if more:
        subprocess.run(["mount", "-o", more, disk], check=True)
    done = subprocess.run(command, capture_output=True, text=True)
    files = {p.name: p.read_bytes().hex() for p in Path(disk, "features").rglob("*") if p.is_file()}
    told.append({"code": done.returncode, "stderr": done.stderr, "files": files})
print(json.dumps(told))
"""
# A name space of one's own: no privileges are needed, and the disk goes with the process.
APART = ["unshare", "--user", "--map-root-user", "--mount"]


def _can_mount(folder: Path) -> bool:
    command = [*APART, "mount", "-t", "tmpfs", "small", str(folder)]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def test_a_disk_that_is_full_keeps_what_is_whole(season, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if not _can_mount(disk):
        pytest.skip("no file system can be mounted here")
    settings = FeatureSettings(window=2.0, text_engine="none")
    whole = uninterrupted(season, tmp_path / "whole", settings, "masks")
    size = int(3.5 * max(map(len, whole.values())))
    script = [sys.executable, "-c", ON_A_SMALL_DISK]
    done = subprocess.run(
        [*APART, *script, str(season), str(disk), str(size), *words_of(settings, "masks")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    full, resumed = json.loads(done.stdout)
    assert full["code"] == 1
    assert "cannot be written: No space left on device" in full["stderr"]
    assert "Traceback" not in full["stderr"]
    made = {name: bytes.fromhex(text) for name, text in full["files"].items()}
    made.pop("report.json", None)  # there may be no room for it
    assert 0 < len(made) < len(whole)
    assert all(whole[name] == content for name, content in made.items())
    assert resumed["code"] == 0, resumed["stderr"]
    resumed["files"].pop("report.json")
    assert {name: bytes.fromhex(text) for name, text in resumed["files"].items()} == whole
