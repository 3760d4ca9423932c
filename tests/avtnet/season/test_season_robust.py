"""Seasons as they are met: killed scans, damaged files, folders that are closed, odd names."""

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
from making.cheap import make_episode, make_season
from making.media import make_media

from avtnet.localization import main
from avtnet.search import walk
from clipping.repeats.shared import compare

WITHIN = 0.06


def words_of(folder, *more):
    return [str(folder), "--network=never", "--workers=0", *map(str, more)]


def told(path):
    """The segments of a JSON file, by the name of the episode's file."""
    items = json.loads(Path(path).read_text())
    return {Path(item["file"]).name: item.get("segments", []) for item in items}


def assert_found(segments, truth):
    assert [each["label"] for each in segments] == [each.label for each in truth]
    for segment, true in zip(segments, truth, strict=True):
        found = segment["start"], segment["end"]
        assert found == pytest.approx((true.start, true.end), abs=WITHIN)


def kept(folder):
    """The contents of a cache by name, without the leftovers of a kill."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if not path.name.startswith(".tmp-")
    }


def run_of(folder, cache, output, workers):
    command = [sys.executable, "-m", "avtnet.locate", str(folder), "--network=never"]
    return subprocess.Popen(
        [*command, f"--workers={workers}", f"--cache={cache}", f"--json={output}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )


def strike_and_go_on(tmp_path, strikes, episodes, seed):
    """Kill or interrupt scans of a season at random moments; the one that may end is like one that
    nobody disturbed."""
    season, cache = tmp_path / "season", tmp_path / "cache"
    make_season(season, episodes)
    whole_words = words_of(season, f"--cache={tmp_path}/whole", f"--json={tmp_path}/whole.json")
    assert main(whole_words) == 0
    whole = kept(tmp_path / "whole")
    random = np.random.default_rng(seed)
    struck_at = []
    for number in range(strikes):
        if number % 4 == 0 or len(kept(cache)) == len(whole):
            shutil.rmtree(cache, ignore_errors=True)
        how = ("all", "parent", "interrupt")[number % 3]
        run = run_of(season, cache, tmp_path / "struck.json", workers=2 * (number % 2))
        before, deadline = len(kept(cache)), time.monotonic() + 120
        while run.poll() is None and len(kept(cache)) == before:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.5))
        if run.poll() is None:
            if how == "parent":
                run.kill()
            else:
                os.killpg(run.pid, signal.SIGKILL if how == "all" else signal.SIGINT)
        stderr = run.communicate(timeout=120)[1]  # closed when the last process has ended
        if how == "interrupt":
            assert run.returncode in (0, 130), stderr
            assert "Traceback" not in stderr
        found = kept(cache)
        assert all(whole[name] == content for name, content in found.items())
        struck_at.append(len(found))
    print(f"of {len(whole)} kept files stood when it came: {struck_at}")
    assert any(0 < count < len(whole) for count in struck_at)
    assert main(words_of(season, f"--cache={cache}", f"--json={tmp_path}/last.json")) == 0
    assert (tmp_path / "last.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert kept(cache) == whole


def test_a_scan_that_was_killed_or_interrupted_goes_on(tmp_path):
    strike_and_go_on(tmp_path, strikes=3, episodes=8, seed=1)


@pytest.mark.slow
def test_20_scans_that_were_killed_or_interrupted_go_on(tmp_path):
    strike_and_go_on(tmp_path, strikes=20, episodes=16, seed=2)


def test_ctrl_c_keeps_the_episodes_that_were_done(tmp_path, monkeypatch):
    make_season(tmp_path / "season", 4)
    conclude, done = walk.conclude, []

    def interrupted(fact, *others):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(fact.name)
        return conclude(fact, *others)

    monkeypatch.setattr(walk, "conclude", interrupted)
    words = words_of(tmp_path / "season", f"--json={tmp_path}/t.json", "--write=edl")
    assert main(words) == 130
    assert [Path(name).stem for name in told(tmp_path / "t.json")] == done
    assert sorted(path.stem for path in (tmp_path / "season").glob("*.edl")) == done


def noise(path, rng):
    path.write_bytes(rng.bytes(50_000))


def empty(path, rng):
    path.write_bytes(b"")


def words(path, rng):
    path.write_text("not a film\n" * 1000)


def dangling(path, rng):
    path.symlink_to(path.parent / "that is gone.mkv")


def head_only(path, rng):
    path.write_bytes(path.read_bytes()[:200])


BAD = (noise, empty, words, dangling, head_only)


def damage(path, how, rng):
    if how is not head_only:
        path.unlink(missing_ok=True)
    how(path, rng)


def assert_each_bad_one_is_named_once(folder, tmp_path, truth, bad, capsys):
    capsys.readouterr()
    assert main(words_of(folder, f"--json={tmp_path}/t.json")) == 1
    stderr = capsys.readouterr().err
    assert "Traceback" not in stderr
    lines = [line for line in stderr.splitlines() if line.startswith("failed: ")]
    assert len(lines) == len(bad)
    for name in bad:
        assert sum(f"{name}: " in line for line in lines) == 1, name
    found = told(tmp_path / "t.json")
    for name, true in truth.items():
        if name not in bad:
            assert_found(found[name], true)


def test_damaged_files_are_named_once_and_the_rest_is_found(tmp_path, capsys):
    folder = tmp_path / "season"
    truth = make_season(folder, 13)
    rng = np.random.default_rng(1)
    bad = sorted(truth)[1:6]
    for name, how in zip(bad, BAD, strict=True):
        damage(folder / name, how, rng)
    # None of these is a fault: a suffix of another container, no sound, folders called like media.
    last = sorted(truth)[-1]
    (folder / last).rename(folder / "Show S01E13.mp4")
    truth["Show S01E13.mp4"] = truth.pop(last)
    make_media(folder / "Show S01E14.mkv", duration=2, audio_codec=None)
    (folder / "extras.mkv").mkdir()
    (folder / "Show S01E15.mkv").mkdir()
    assert_each_bad_one_is_named_once(folder, tmp_path, truth, bad, capsys)
    assert told(tmp_path / "t.json")["Show S01E14.mkv"] == []


def test_a_large_season_is_compared_at_distances_and_once(tmp_path, monkeypatch, capsys):
    """Not all 105 pairs of fifteen episodes are compared, and a second run compares none."""
    truth = make_season(tmp_path / "season", 15)
    pairs = []

    def counted(a, b, settings):
        pairs.append((a.path.name, b.path.name))
        return compare(a, b, settings)

    monkeypatch.setattr("avtnet.season.repetition.compare", counted)
    words = words_of(tmp_path / "season", "--pictures=never", f"--json={tmp_path}/t.json")
    assert main(words) == 0
    found = told(tmp_path / "t.json")
    for name, true in truth.items():
        assert_found(found[name], true)
    assert 15 < len(pairs) < 75
    pairs.clear()
    assert main(words) == 0
    assert not pairs
    assert told(tmp_path / "t.json") == found


@pytest.mark.slow
def test_200_episodes_of_which_a_tenth_is_damaged(tmp_path, capsys):
    folder = tmp_path / "season"
    truth = make_season(folder, 200)
    rng = np.random.default_rng(1)
    bad = sorted(rng.choice(sorted(truth), 20, replace=False).tolist())
    for number, name in enumerate(bad):
        damage(folder / name, BAD[number % len(BAD)], rng)
    assert_each_bad_one_is_named_once(folder, tmp_path, truth, bad, capsys)


def test_a_file_that_was_cut_off_is_found_as_far_as_it_goes(tmp_path):
    folder = tmp_path / "season"
    truth = make_season(folder, 4)
    name = sorted(truth)[1]
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) * 6 // 10])
    main(words_of(folder, f"--json={tmp_path}/t.json"))
    found = told(tmp_path / "t.json")
    assert_found(found[name], truth[name][:1])
    for other in set(truth) - {name}:
        assert_found(found[other], truth[other])


def test_seasons_in_one_tree_and_in_one_folder_are_told_apart(tmp_path):
    tree, mixed = tmp_path / "tree", tmp_path / "mixed"
    truth = make_season(mixed, 3, season=1) | make_season(mixed, 3, season=2)
    for folder, season in (("S1", 1), ("S2", 2)):
        (tree / folder).mkdir(parents=True)
        for name in truth:
            if f"S0{season}" in name:
                # The same numbers in both: the folder alone tells them apart.
                short = name.replace(f"Show S0{season}", "")
                shutil.copy(mixed / name, tree / folder / short)
    assert main(words_of(tmp_path, f"--json={tmp_path}/t.json", f"--plot={tmp_path}/p")) == 0
    items = json.loads((tmp_path / "t.json").read_text())
    assert len(items) == 12
    for item in items:
        path = Path(item["file"])
        season = path.parent.name[1] if path.parent.parent == tree else path.name[6]
        name = path.name if path.parent == mixed else f"Show S0{season}{path.name}"
        assert_found(item["segments"], truth[name])
        assert "sound repeated in 3 of 3 episodes" in item["segments"][0]["evidence"]
    assert len(list((tmp_path / "p").glob("season-*.png"))) == 4


ODD = (
    "a 'quoted' \"name\" 1.mka",
    "[group] ünïcödé 話 2 [1080p].mka",
    "line\nbreak 3.mka",
    "-dash & $(touch it); 4.mka",
    "[red]no markup[bold] 5.mka",
)


def test_odd_names_are_names(tmp_path, capsys):
    folder = tmp_path / "a [season] 'of' $HOME"
    folder.mkdir()
    truth = {name: make_episode(folder / name, number) for number, name in enumerate(ODD)}
    more = (f"--json={tmp_path}/t.json", f"--csv={tmp_path}/t.csv", f"--plot={tmp_path}/p")
    words = words_of(folder, *more, "--write=edl,chapters,json", "--explain", "all")
    assert main(words) == 0
    found = told(tmp_path / "t.json")
    for name, true in truth.items():
        assert_found(found[name], true)
        assert (folder / name).with_suffix(".edl").exists()
    out = capsys.readouterr().out
    assert "[red]no markup[bold] 5" in out
    assert not (folder / "it").exists()
    assert main(words) == 0  # over what is there


ON_A_CLOSED_DISK = """
import subprocess, sys
season, *command = sys.argv[1:]
subprocess.run(["mount", "--bind", season, season], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", season], check=True)
sys.exit(subprocess.run(command).returncode)
"""
APART = ["unshare", "--user", "--map-root-user", "--mount"]


def test_a_season_on_a_disk_that_cannot_be_written(tmp_path):
    season = tmp_path / "season"
    truth = make_season(season, 3)
    script = [*APART, sys.executable, "-c", ON_A_CLOSED_DISK, str(season)]
    try:
        can = subprocess.run([*script, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        can = False
    if not can:
        pytest.skip("no file system can be mounted here")
    command = [sys.executable, "-m", "avtnet.locate", *words_of(season)]
    done = subprocess.run(
        [*script, *command, f"--json={tmp_path}/t.json"],
        capture_output=True,
        text=True,
        timeout=300,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "XDG_CACHE_HOME": str(tmp_path / "user"),
        },
    )
    assert done.returncode == 0, done.stderr
    found = told(tmp_path / "t.json")
    for name, true in truth.items():
        assert_found(found[name], true)
    assert not (season / ".avtnet").exists()
    assert kept(tmp_path / "user")
