"""Seasons of real files: every opening and ending found, nothing else said.

Each scenario is a case that users of other tools complain about (tests/season_scenarios.py).
"""

import json
from pathlib import Path

import pytest
from make_season import SCENARIOS, make_scenario

from avtnet.localization import LocateConfig, main, search

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
    found = located(tmp_path / "season", tmp_path)
    assert len(found) == len(truth) > 1
    assert_true(found, truth)
    for episode in found:
        for segment in episode.timeline.segments:
            assert segment.evidence
            assert 0.3 <= segment.score <= 1


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
    from clipping.shared import compare

    asked = []

    def counted(a, b, settings):
        asked.append({a.path.name, b.path.name})
        return compare(a, b, settings)

    monkeypatch.setattr("avtnet.repetition.compare", counted)
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
    assert (out / "season.png").read_bytes()[:4] == b"\x89PNG"
    items = json.loads((out / "t.json").read_text())
    assert [len(item["segments"]) for item in items] == [1, 2, 2, 2]
    assert (tmp_path / "season" / ".avtnet").is_dir()
    assert main([*words, "--explain", Path(items[0]["file"]).name]) == 0
    assert capsys.readouterr().out.count("compared with") == 1
