"""Seasons of real files: every opening and ending found, nothing else said.

Each scenario is a case that users of other tools complain about (tests/making/season_scenarios.py).
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from making.season import SCENARIOS, make_scenario, make_season
from making.season_series import Series

from avtnet.correct import main as correct
from avtnet.localization import main
from avtnet.search.request import LocateConfig
from avtnet.search.walk import search
from avtnet.themes import main as themes
from clipping.chapters.embed import embed as embed_chapters
from clipping.formats.chapters import Chapter

WITHIN = 0.2
"""Seconds: a frame of these films (8 a second), and a little."""
MAYBE = {"preview"}
"""Not always heard: a jingle under voices that are louder. What is said of it must be true."""


def located(folder, tmp_path, **options):
    config = LocateConfig(
        inputs=(str(folder),), workers=0, network="never", cache=tmp_path / "cache", **options
    )
    return search(config)


def spans(segments):
    return [(each.label, each.start, each.end) for each in segments if each.label not in MAYBE]


def assert_true(found, truth):
    for episode in found:
        true = truth[episode.facts.path.name]
        got, wanted = spans(episode.timeline.segments), spans(true)
        assert [each[0] for each in got] == [each[0] for each in wanted], episode.name
        for one, other in zip(got, wanted, strict=True):
            assert one[1:] == pytest.approx(other[1:], abs=WITHIN), episode.name
        for segment in episode.timeline.segments:
            if segment.label in MAYBE:
                common = max(segment.overlap(each) for each in true if each.label == segment.label)
                assert common >= 0.9 * segment.duration, episode.name


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in ("alone", "corrupt")])
def test_a_season_is_found_whole_and_nothing_else(name, tmp_path):
    truth = make_scenario(name, tmp_path / "season")
    if name == "special_ending":  # there is nothing that tells of what is there once
        truth[max(truth)] = [each for each in truth[max(truth)] if each.label != "ending"]
    found = located(tmp_path / "season", tmp_path)
    assert len(found) == len(truth) > 1
    assert_true(found, truth)
    for episode in found:
        for segment in episode.timeline.segments:
            assert segment.evidence
            assert 0.3 <= segment.score <= 1


def test_an_opening_at_the_very_start_is_looked_for_in_an_episode_without_one(tmp_path):
    series = Series("from zero", 1, "test")
    plans = []
    for number in range(1, 5):
        opening = series.opening(number) if number < 4 else None
        body = series.body(number, opening=opening, ending=series.ending(number), opening_at=0.0)
        plans.append(series.plan(number, body))
    truth = make_season(tmp_path / "season", plans)
    assert [segments[0].start for segments in truth.values()][:3] == [0, 0, 0]
    assert_true(located(tmp_path / "season", tmp_path), truth)


def test_one_bad_file_and_one_cut_short_do_not_hinder_the_others(tmp_path):
    truth = make_scenario("corrupt", tmp_path / "season")
    found = {each.facts.path.name: each for each in located(tmp_path / "season", tmp_path)}
    failed = [name for name, each in found.items() if each.timeline.error is not None]
    assert len(failed) == 1
    good = [each for name, each in found.items() if name not in failed]
    assert_true(good, truth)


def test_an_episode_alone_says_nothing_without_a_network(tmp_path):
    make_scenario("alone", tmp_path / "season")
    (found,) = located(tmp_path / "season", tmp_path)
    assert found.timeline.segments == ()
    assert found.timeline.error is None


def test_a_second_run_and_a_new_episode_cost_only_what_is_new(tmp_path, monkeypatch):
    truth = make_scenario("moving", tmp_path / "season")
    last = sorted((tmp_path / "season").iterdir())[-1]
    last.rename(tmp_path / "later")
    first = located(tmp_path / "season", tmp_path)
    (tmp_path / "later").rename(last)
    from clipping.repeats.shared import compare

    asked = []

    def counted(a, b, settings):
        asked.append({a.path.name, b.path.name})
        return compare(a, b, settings)

    monkeypatch.setattr("avtnet.season.repetition.compare", counted)
    whole = located(tmp_path / "season", tmp_path)
    assert len(asked) == len(truth) - 1
    assert all(last.name in pair for pair in asked)
    assert_true(whole, truth)
    asked.clear()
    again = located(tmp_path / "season", tmp_path)
    assert not asked
    assert [each.timeline for each in again] == [each.timeline for each in whole]
    assert len(first) == len(truth) - 1


def test_the_command_tells_why_and_draws_the_season(tmp_path, capsys):
    make_scenario("first_without", tmp_path / "season")
    out = tmp_path / "out"
    words = [str(tmp_path / "season"), "--network=never", "--workers=1", f"--plot={out}"]
    assert main([*words, f"--json={out}/t.json", "--explain", "all"]) == 0
    said = capsys.readouterr()
    assert "sound repeated in 3 of 4 episodes" in said.out
    assert "compared with 3 other episodes" in said.out
    names = sorted(path.stem for path in (tmp_path / "season").iterdir() if path.is_file())
    assert f"heard too in {', '.join(names[:3])}" in " ".join(said.out.split())
    assert (out / "season.png").read_bytes()[:4] == b"\x89PNG"
    items = json.loads((out / "t.json").read_text())
    assert [len(item["segments"]) for item in items] == [1, 2, 2, 2]
    assert (tmp_path / "season" / ".avtnet").is_dir()
    assert main([*words, "--explain", Path(items[0]["file"]).name]) == 0
    assert capsys.readouterr().out.count("compared with") == 1


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """A season's folder, and its truth; tests copy it."""
    folder = tmp_path_factory.mktemp("made") / "season"
    return folder, make_scenario("moving", folder)


@pytest.fixture
def season(moving, tmp_path):
    folder, truth = moving
    return shutil.copytree(folder, tmp_path / "season"), truth


def by_name(found):
    return {each.facts.path.name: each.timeline for each in found}


def test_what_a_person_says_of_one_episode_counts_and_is_found_in_the_others(tmp_path):
    truth = make_scenario("no_opening", tmp_path / "season")
    first, second, *others = sorted(truth)
    words = [str(tmp_path / "season" / first), "opening", "0", "7", f"--cache={tmp_path}/cache"]
    assert correct([*words]) == 0
    words = [str(tmp_path / "season" / second), "opening", "none", f"--cache={tmp_path}/cache"]
    assert correct(words) == 0
    found = by_name(located(tmp_path / "season", tmp_path))
    assert (found[first].opening.start, found[first].opening.end) == (0, 7)
    assert found[first].opening.score == 1
    assert "said by hand" in found[first].opening.evidence[0]
    assert found[second].opening is None
    for name in others:
        assert found[name].opening.end == pytest.approx(7, abs=0.05)
        assert f"of {first}, which was said by hand" in found[name].opening.evidence[0]
    # It survives the cache being looked past, and what it says nothing of is still searched.
    again = by_name(located(tmp_path / "season", tmp_path, rescan=True))
    assert again == found


@pytest.mark.parametrize("beside", [True, False])
def test_an_edited_json_is_a_correction(season, tmp_path, capsys, beside):
    folder, _truth = season
    words = [str(folder), "--network=never", "--workers=0", "--write=json"]
    words += [] if beside else [f"--write-to={tmp_path}/out"]
    assert main(words) == 0
    path = sorted((folder if beside else tmp_path / "out").glob("*.avtnet.json"))[1]
    content = json.loads(path.read_text())
    (timeline,) = content["timelines"]
    opening = next(each for each in timeline["segments"] if each["label"] == "opening")
    opening["end"] -= 3
    path.write_text(json.dumps(content))
    assert main([*words, "--json", str(tmp_path / "t.json")]) == 0
    items = json.loads((tmp_path / "t.json").read_text())
    edited = next(item for item in items if Path(item["file"]).stem == path.name[:-12])
    kept = next(each for each in edited["segments"] if each["label"] == "opening")
    assert (kept["start"], kept["end"]) == (opening["start"], opening["end"])
    assert f"edited {path.name}" in kept["evidence"][0]


def test_a_theme_finds_the_opening_of_a_single_file(season, tmp_path, capsys):
    folder, truth = season
    first, second, *_ = sorted(truth)
    true = next(each for each in truth[first] if each.label == "opening")
    words = ["add", "the song", str(folder / first), str(true.start), str(true.end)]
    assert themes([*words, f"--library={tmp_path}/library", "--role=opening"]) == 0
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(folder / second, alone)
    (found,) = located(alone, tmp_path, themes=tmp_path / "library")
    (opening,) = found.timeline.segments
    wanted = next(each for each in truth[second] if each.label == "opening")
    assert (opening.start, opening.end) == pytest.approx((wanted.start, wanted.end), abs=WITHIN)
    assert 'the theme "the song" of the library' in opening.evidence


def test_chapters_count_as_evidence(season, tmp_path):
    folder, truth = season
    name = next(name for name in sorted(truth) if name.endswith(".mkv"))
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(folder / name, alone)
    embed_chapters(alone / name, [Chapter(10.0, 30.5, "Opening"), Chapter(30.5, 60.0, "Part A")])
    (found,) = located(alone, tmp_path)
    (opening,) = found.timeline.segments
    assert (opening.label, opening.start, opening.end) == ("opening", 10.0, 30.5)
    assert opening.evidence == ('the chapter "Opening"',)


def test_two_scans_of_one_folder_at_once_agree(season, tmp_path):
    folder, truth = season
    words = [sys.executable, "-m", "avtnet.locate", str(folder), "--network=never", "--workers=0"]
    runs = [
        subprocess.Popen(
            [*words, f"--json={tmp_path}/{number}.json"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        for number in range(2)
    ]
    for run in runs:
        assert run.communicate(timeout=300)[1].count("Traceback") == 0
        assert run.returncode == 0
    one, other = ((tmp_path / f"{number}.json").read_text() for number in range(2))
    assert one == other
    assert len(json.loads(one)) == len(truth)
