"""Fusing: the split is the best there is, ties have a rule, and bad submissions are named."""

import csv
import itertools
import json
import math
import os
import random
import statistics
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import ensemble
from clipping.config import load
from clipping.errors import ClippingError
from clipping.windows import WindowId, read_submission, write_submission
from ensemble.fuse import FuseConfig, fuse_files, main
from ensemble.fusion import agreement, fuse_positions, fuse_submissions
from ensemble.kmeans import larger_cluster

START, END = WindowId("ep 1, “pilot”", "start"), WindowId("ep 1, “pilot”", "end")


def by_brute_force(values):
    """Mean and members of the larger cluster: the rule, over every way to split, in fractions."""
    exact = [Fraction(round(value * 1000), 1000) for value in values]

    def squares(places):
        mean = Fraction(sum(exact[place] for place in places), len(places))
        return sum((exact[place] - mean) ** 2 for place in places)

    places = frozenset(range(len(values)))
    splits = [
        (frozenset(side), places - frozenset(side))
        for size in range(1, len(values))
        for side in itertools.combinations(places, size)
    ]
    loss = {split: squares(split[0]) + squares(split[1]) for split in splits}
    best = {side for split in splits if loss[split] == min(loss.values()) for side in split}
    rank = {side: (-len(side), squares(side)) for side in best}
    winners = [side for side in best if rank[side] == min(rank.values())]
    if len(winners) > 1 or len(set(exact)) == 1:
        return statistics.median(values), [True] * len(values)
    return statistics.fmean(values[place] for place in winners[0]), [
        place in winners[0] for place in range(len(values))
    ]


# Few and close values make the ties that a formula could get wrong; milliseconds are real rows.
positions = st.integers(0, 6).map(float) | st.integers(0, 200_000).map(lambda n: n / 1000)


@settings(max_examples=150, deadline=None)
@given(values=st.lists(positions, min_size=2, max_size=7))
@example(values=[0.0, 0.001, 200.0, 199.999, 100.0])
@example(values=[1.0, 2.0, 3.0, 4.0, 5.0])
def test_the_split_is_the_best_of_all(values):
    mean, members = by_brute_force(values)
    cluster = larger_cluster(values)
    assert cluster.mean == pytest.approx(mean, abs=1e-9)
    assert list(cluster.members) == members


@settings(max_examples=60, deadline=None)
@given(values=st.lists(positions, min_size=1, max_size=7))
def test_scikit_learns_kmeans_comes_to_the_same(values):
    pytest.importorskip("sklearn")
    assert larger_cluster(values, "sklearn") == larger_cluster(values)
    fused = fuse_positions(dict(enumerate(values)), "sklearn")
    assert fused == fuse_positions(dict(enumerate(values)))


@settings(max_examples=60, deadline=None)
@given(values=st.lists(positions, min_size=1, max_size=6), seed=st.integers(0, 99))
def test_the_order_of_the_values_changes_nothing(values, seed):
    places = list(range(len(values)))
    random.Random(seed).shuffle(places)
    first, second = larger_cluster(values), larger_cluster([values[place] for place in places])
    assert second.mean == first.mean
    assert second.tie == first.tie
    assert list(second.members) == [first.members[place] for place in places]


@pytest.mark.parametrize(
    ("values", "mean", "tie"),
    [
        ([64.5], 64.5, False),
        ([7.0, 7.0, 7.0], 7.0, False),
        ([7.0, 7.0, 7.0, 90.0], 7.0, False),
        ([64.684, 64.873, 65.342, 12.0, 90.0], (64.684 + 64.873 + 65.342 + 90) / 4, False),
        ([10.0, 12.0, 90.0, 91.0], 90.5, False),  # two and two: the tighter pair
        ([10.0, 20.0], 15.0, True),  # one and one
        ([10.0, 10.0, 12.0, 12.0], 11.0, True),  # two and two, equally tight
        ([10.0, 15.0, 20.0], 15.0, True),  # 10|15,20 is as good as 10,15|20
        ([0.0, 0.0, 2.0, 3.0, 5.0], 2 / 3, False),  # 0,0|2,3,5 is as good as 0,0,2|3,5: the tighter
        ([5.0, 5.0 + 1e-9], 5.0, False),  # nearer than a microsecond is equal
    ],
)
def test_ties_follow_the_stated_rule(values, mean, tie):
    cluster = larger_cluster(values)
    assert cluster.mean == pytest.approx(mean)
    assert cluster.tie == tie
    assert all(cluster.members) or not tie


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_values_that_are_no_positions_are_refused(values):
    with pytest.raises(ValueError, match="finite"):
        larger_cluster(values)
    with pytest.raises(ValueError, match="finite"):
        fuse_positions(dict(enumerate(values)))


FIVE = {"a": 64.684, "b": 64.873, "c": 65.342, "d": 12.0, "e": 13.5}


def test_one_window_says_who_was_outvoted():
    fusion = fuse_positions(FIVE)
    assert fusion.position == round((64.684 + 64.873 + 65.342) / 3, 3)
    assert fusion.spread == 53.342
    assert fusion.models == tuple("abcde")
    assert fusion.outvoted == ("d", "e")
    assert fusion.confidence == pytest.approx(3 / 6, abs=0.02)
    assert fuse_positions({"alone": 3.0}).confidence == 0.5


def test_the_mean_and_the_median_outvote_nobody():
    assert fuse_positions(FIVE, "mean").position == round(statistics.fmean(FIVE.values()), 3)
    assert fuse_positions(FIVE, "median").position == 64.684
    assert fuse_positions(FIVE, "median").outvoted == ()
    with pytest.raises(ValueError, match="kmeans, sklearn, mean or median, got 'mode'"):
        fuse_positions(FIVE, "mode")


@settings(deadline=None)
@given(
    values=st.lists(st.floats(0, 200), min_size=1, max_size=12).map(tuple),
    fused=st.floats(0, 200),
    farther=st.floats(1, 3),
)
def test_confidence_is_from_0_to_1_and_falls_with_distance(values, fused, farther):
    near = agreement(fused, values)
    apart = tuple(fused + farther * (value - fused) for value in values)
    assert 0 <= agreement(fused, apart) <= near + 1e-12
    assert near < 1
    assert agreement(fused, (*values, fused)) > near


def test_submissions_are_joined_by_window_whatever_the_order():
    windows = [WindowId(f"e{number}", side) for number in range(20) for side in ("start", "end")]
    noise = random.Random(3)
    submissions = {}
    for name in "abcde":
        noise.shuffle(windows)
        submissions[name] = {
            window: 10 * int(window.name[1:]) + (window.side == "end") for window in windows
        }
    fused = fuse_submissions(submissions)
    assert list(fused) == sorted(windows)
    assert all(fused[each].position == submissions["a"][each] for each in windows)
    backwards = dict(reversed(submissions.items()))
    assert {key: item.position for key, item in fuse_submissions(backwards).items()} == {
        key: item.position for key, item in fused.items()
    }


def test_a_missing_window_fails_or_is_fused_from_the_others():
    submissions = {"a": {START: 10.0, END: 20.0}, "b": {START: 12.0}, "c": {START: 12.5}}
    with pytest.raises(ClippingError, match=r"b: there is no row for ep 1, “pilot”_end, which a"):
        fuse_submissions(submissions)
    fused = fuse_submissions(submissions, missing="skip")
    assert fused[END].position == 20.0
    assert fused[END].models == ("a",)
    assert fused[START].models == ("a", "b", "c")


@pytest.fixture
def folder(tmp_path):
    """Five submissions of two windows, rows in different orders."""
    folder = tmp_path / "sub missions"
    for name, start in FIVE.items():
        write_submission(folder / f"{name}.csv", {START: start, END: 150 + start / 10})
    (folder / "c.csv").write_text(
        "\n".join(reversed((folder / "c.csv").read_text("utf-8").splitlines())), "utf-8"
    )
    return folder


def test_the_command_fuses_a_folder_again_and_again(folder, capsys):
    output, report = folder / "fused.csv", folder / "report.csv"
    words = [str(folder), "-o", str(output), "--report", str(report)]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert "2 windows" in printed.out
    assert "d.csv" in printed.out
    assert read_submission(output)[START] == 64.966
    first = output.read_bytes(), report.read_bytes()
    assert main(words) == 0  # what it wrote is not read
    assert (output.read_bytes(), report.read_bytes()) == first
    rows = list(csv.DictReader(report.read_text("utf-8").splitlines()))
    assert [row["window"] for row in rows] == [str(START), str(END)]  # the doubtful one first
    assert rows[0] == {
        "window": str(START),
        "position": "64.966",
        "confidence": f"{fuse_positions(FIVE).confidence:.3f}",
        "spread": "53.342",
        "models": "5",
        "outvoted": "d.csv | e.csv",
    }


def test_the_report_may_be_json(folder):
    files = [str(folder / f"{name}.csv") for name in "abcde"]
    report = folder.parent / "report.json"
    assert main([*files, "--output", str(folder.parent / "out.csv"), f"--report={report}"]) == 0
    (first, _) = json.loads(report.read_text("utf-8"))
    assert first["window"] == str(START)
    assert first["outvoted"] == ["d.csv", "e.csv"]
    assert first["models"] == [f"{name}.csv" for name in "abcde"]
    assert list(first) == ["window", "position", "confidence", "spread", "models", "outvoted"]


def test_files_with_one_name_are_told_apart_and_a_file_counts_once(folder, tmp_path):
    for name in ("x", "y"):
        write_submission(tmp_path / name / "sub.csv", {START: 1.0, END: 2.0})
    inputs = (*(str(tmp_path / name / "sub.csv") for name in "xxy"), str(folder / "a.csv"))
    fused = fuse_files(FuseConfig(inputs=inputs, output=tmp_path / "out.csv"))
    assert fused[START].models == (inputs[0], inputs[2], "a.csv")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("x_start.mp4,s,nan", "b.csv:3: the position is a finite number, got nan"),
        ("x_start.mp4,s,1:20", "b.csv:3: the position is a number, got '1:20'"),
        ("x_start.mp4,s,201", "b.csv:3: the position is from 0 to 200 s, got 201"),
        ("x_start.mp4,s,1\nx_start.mp4,s,1", "b.csv:4: x_start stands on line 3 already"),
        ("x_start.mp4,s,1", "a.csv: there is no row for x_start, which b.csv has"),
    ],
)
def test_a_bad_submission_is_named_and_nothing_is_written(folder, capsys, row, complaint):
    path = folder / "b.csv"
    path.write_text(path.read_text("utf-8") + row + "\n", encoding="utf-8")
    output = folder.parent / "fused.csv"
    assert main([str(folder), "-o", str(output), "--report", f"{output}.json"]) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert os.listdir(folder.parent) == [folder.name]


def test_missing_skip_on_the_command_line(folder, tmp_path):
    write_submission(folder / "b.csv", {END: 1.0})
    assert main([str(folder), "-o", str(tmp_path / "f.csv"), "--missing", "skip"]) == 0
    assert len(read_submission(tmp_path / "f.csv")) == 2


def test_wrong_usage_is_explained(folder, tmp_path, capsys):
    one, two, output = str(folder / "a.csv"), str(folder / "b.csv"), str(tmp_path / "f.csv")
    for code, complaint, *words in [
        (2, "give two or more submissions, or a folder of them"),
        (1, "fusing needs two or more submissions, got none", str(tmp_path)),
        (1, "fusing needs two or more submissions, got /", one),
        (1, "none.csv: there is no such file or folder", one, "none.csv"),
        (1, "a.csv: this submission would be overwritten", one, two, "-o", one),
    ]:
        assert main(["-o", output, *words]) == code
        assert complaint in capsys.readouterr().err
    for complaint, *words in [
        ("--report ends in .csv or .json, got r.txt", "--report", "r.txt"),
        ("--report and --output are one file", "--report", output),
        ("did you mean --missing?", "--mising", "skip"),
        ("Expected one of 'fail', 'skip'", "--missing", "x"),
    ]:
        with pytest.raises(SystemExit, match="2"):
            main([one, two, "-o", output, *words])
        assert complaint in capsys.readouterr().err
    assert not (tmp_path / "f.csv").exists()


def test_the_config_file_says_the_defaults():
    path = Path(__file__).parents[2] / "configs" / "ensemble.yaml"
    assert load(FuseConfig, path) == FuseConfig()


def test_the_package_offers_its_functions():
    assert ensemble.fuse_submissions is fuse_submissions
    assert all(callable(getattr(ensemble, name)) for name in ensemble.__all__)
    with pytest.raises(AttributeError, match="no attribute 'fuze'"):
        _ = ensemble.fuze


def test_the_command_needs_no_torch(folder):
    """A fresh interpreter in which importing torch fails, warnings being errors."""
    program = """
import runpy, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "cv2"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
sys.argv = ["fuse", *sys.argv[1:]]
runpy.run_module("ensemble.fuse", run_name="__main__", alter_sys=True)
"""
    output = folder.parent / "fused.csv"
    command = [sys.executable, "-W", "error", "-c", program, str(folder), "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert read_submission(output)[START] == 64.966
