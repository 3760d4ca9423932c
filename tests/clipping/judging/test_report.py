"""Reports: the figures on the page are those counted, nothing outside is needed, all is escaped."""

import base64
import importlib.util
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from making.dense_windows import taught, window
from making.media import make_media, read_barcode
from making.page import Page
from PIL import Image

from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.evaluate import main, of_features
from clipping.formats.tables import write_timelines
from clipping.judging.charts import EDGES, histogram, mark, ticks
from clipping.judging.judgement import Case, JudgedSpan, judge
from clipping.judging.pictures import STRIP, STRIP_SIZE, of_media, picture_case
from clipping.judging.report import FigureTable, ReportPage, page
from clipping.segments import Segment, Timeline
from clipping.windows import WindowId, write_labels, write_submission
from preprocess.features import feature_path, save

OPENING, ENDING = JudgedSpan("opening", 10.0, 100.0), JudgedSpan("ending", 1200.0, 1290.0)


def said(role, start, end, score=None):
    return JudgedSpan(role, start, end, score)


CASES = [
    Case("right", 0, 1400, (OPENING, ENDING),
         (said("opening", 10.25, 99.5, 0.95), said("ending", 1201.0, 1290.0, 0.85))),
    Case("late", 0, 1400, (OPENING,), (said("opening", 10.0, 130.0, 0.75),)),
    Case("missed", 0, 1400, (OPENING, ENDING), (said("ending", 1200.0, 1290.5, 0.9),)),
    Case("false", 0, 1400, (), (said("opening", 300.0, 390.0, 0.35),)),
    Case("nothing", 0, 1400, (), ()),
]  # fmt: skip


def test_ends_are_measured_and_the_worst_come_first():
    found = judge(CASES)
    assert [each.case.name for each in found.cases] == [
        "missed", "late", "false", "right", "nothing"
    ]  # fmt: skip
    opening, end = found.ends["opening start"], found.ends["opening end"]
    assert opening.errors == pytest.approx((0.25, 0.0))
    assert (opening.missed, opening.total) == (1, 3)
    assert end.errors == pytest.approx((-0.5, 30.0))
    assert [end.within(seconds) for seconds in (0.4, 0.5, 30)] == pytest.approx([0, 1 / 3, 2 / 3])
    assert found.ends["ending start"].errors == pytest.approx((1.0, 0.0))


def test_roles_are_counted_and_scores_compared_with_what_is_right():
    found = judge(CASES)
    opening = found.roles["opening"]
    assert (opening.true, opening.said, opening.right) == (3, 3, 1)
    assert (opening.without, opening.false) == (2, 1)
    assert (opening.precision, opening.recall) == pytest.approx((1 / 3, 1 / 3))
    assert found.roles["ending"].precision == 1
    told = [(each.count, each.score, each.right) for each in found.bins]
    assert told == [
        (1, pytest.approx(0.35), 0),
        (1, pytest.approx(0.75), 0),
        (1, pytest.approx(0.85), 1),
        (2, pytest.approx(0.925), 1),
    ]
    assert found.calibration_error == pytest.approx((0.35 + 0.75 + 0.15 + 0.15) / 5)


def test_an_end_that_a_method_never_names_is_not_asked_of_it():
    one_ended = [
        Case("a", 0, 200, (OPENING,), (said("opening", None, 101.0),)),
        Case("b", 0, 200, (OPENING,), ()),
    ]
    found = judge(one_ended)
    assert list(found.ends) == ["opening end"]
    assert found.ends["opening end"].missed == 1
    assert found.roles["opening"].right == 1
    assert found.calibration_error is None
    silent = judge([Case("b", 0, 200, (OPENING,), ())])
    assert list(silent.ends) == ["opening start", "opening end"]


def test_what_is_not_asked_of_a_case_counts_nowhere():
    window_case = Case(
        "a", 0, 200, (), (said("ending", 5, 90, 0.9),), asked=frozenset(("opening",))
    )
    found = judge([*CASES, window_case])
    assert found.roles["ending"] == judge(CASES).roles["ending"]
    assert found.roles["opening"].without == 3
    assert found.bins == judge(CASES).bins
    assert found.cases[-1].cost == 0
    assert judge([window_case]).roles == {}


def test_of_several_spans_the_nearest_are_paired():
    true = (said("opening", 10, 100), said("opening", 700, 790))
    answers = (said("opening", 702, 791, 0.5), said("opening", 9, 100, 0.5), said("opening", 5, 50))
    (judged,) = judge([Case("double", 0, 1400, true, answers)]).cases
    assert judged.pairs == ((answers[0], true[1]), (answers[1], true[0]), (answers[2], None))


def test_no_cases_make_no_page_of_wrong_figures():
    found = judge([])
    assert (found.cases, found.ends, found.roles, found.bins) == ((), {}, {}, ())
    text = " ".join(Page(page(ReportPage("empty", (), found))).texts)
    assert "The worst 0 of 0" in text
    assert "Nothing was said with a score" in text


def test_every_error_is_in_one_bar():
    ends = judge(
        [
            Case(str(off), 0, 400, (said("opening", 100, 200),), (said("opening", 100 + off, 200),))
            for off in (-90, -30, -4, -0.5, -0.2, 0, 0.5, 0.6, 29, 31)
        ]
    ).ends["opening start"]
    bars = histogram(ends)
    assert len(bars) == len(EDGES) + 1
    assert [bar.count for bar in bars] == [2, 0, 0, 1, 0, 1, 3, 1, 0, 0, 0, 1, 1]
    assert bars[0].text == "more than 30 s early"
    assert bars[3].text == "-5 to -2 s"
    assert max(bar.height for bar in bars) == 1


def test_marks_lie_where_their_seconds_are():
    case = Case("a", 1200.0, 200.0, (), ())
    middle = mark(said("ending", 1250.0, 1300.0, 0.5), case)
    assert (middle.left, middle.width, middle.colour) == (25.0, 25.0, "ending")
    assert middle.text == "ending 20:50.00 - 21:40.00 (0.50)"
    open_start = mark(said("x", None, 1300.0), case)
    assert (open_start.left + open_start.width, open_start.open) == (50.0, "start")
    assert open_start.colour == "other"
    told = ticks(case)
    assert [each.text for each in told][:2] == ["20:00", "20:20"]
    assert [each.left for each in told][-1] == 100.0


def test_the_page_shows_the_figures_that_were_counted():
    counted = judge(CASES)
    extra = FigureTable("Methods", ("", "score"), (("constant", "32.2"),), "of all")
    made = Page(page(ReportPage("A test", (("data", "made up"),), counted, (extra,), worst=3)))
    roles = made.table("precision", "recall")
    for role, each in counted.roles.items():
        assert roles[role]["precision"] == f"{each.precision:.3f}"
        assert roles[role]["recall"] == f"{each.recall:.3f}"
        assert roles[role]["said where none is"] == f"{each.false} of {each.without}"
    ends = made.table("mean error (s)", "missed")
    assert set(ends) == set(counted.ends)
    for end, each in counted.ends.items():
        assert ends[end]["mean error (s)"] == f"{np.mean(np.abs(each.errors)):.3f}"
        assert ends[end]["within 0.5 s"] == f"{each.within(0.5):.3f}"
        assert ends[end]["missed"] == str(each.missed)
    assert made.table("score") == {"constant": {"score": "32.2"}}
    (curve,) = [rows for rows in made.tables if rows[0] == ["spans", "mean score", "right"]]
    assert curve[1:] == [
        [str(each.count), f"{each.score:.3f}", f"{each.right:.3f}"] for each in counted.bins
    ]
    assert made.tags.count("circle") == len(counted.bins)
    assert made.tags.count("article") == 3
    bars = sum(len(histogram(each)) for each in counted.ends.values())
    assert made.tags.count("rect") == bars
    text = " ".join(made.texts)
    assert "The worst 3 of 5" in text
    assert f"expected calibration error {counted.calibration_error:.3f}" in text
    late = made.table("true", "said", "end off by (s)")
    assert late  # of the worst case; the next one is the late opening
    assert any("+30.00" in row for rows in made.tables for row in rows)


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>\u202egnp.exe\x00\udcff{{ 7*7 }}'


def test_names_from_files_stay_text():
    hostile = Case(
        HOSTILE,
        0,
        200,
        (said(HOSTILE, 10, 20),),
        (said(HOSTILE, 50, 60, 0.5),),
        pictures=of_features(window(60)),
        note=HOSTILE,
    )
    extra = FigureTable(HOSTILE, (HOSTILE, HOSTILE), ((HOSTILE, HOSTILE),), HOSTILE)
    report = ReportPage(HOSTILE, ((HOSTILE, HOSTILE),), judge([hostile]), (extra,))
    text = page(report)
    text.encode()  # no half of a surrogate pair is left
    plain = Page(page(ReportPage("x", (("x", "x"),), judge([hostile]), (extra,))))
    made = Page(text)
    assert "script" not in made.tags
    assert made.tags == plain.tags
    assert not [name for _, name, _ in made.attributes if name.startswith("on")]
    seen = "".join(made.texts)
    assert '"><script>alert(1)</script><img src=x onerror=alert(2)>\\u202egnp.exe' in seen
    assert "{{ 7*7 }}" in seen
    assert "\u202e" not in text
    assert "\x00" not in text


def test_the_page_needs_nothing_else():
    case = Case("a", 0, 60, (OPENING,), (), pictures=of_features(window(60)))
    text = page(ReportPage("A test", (), judge([case])))
    made = Page(text)
    assert made.loaded
    assert all(each.startswith("data:image/jpeg;base64,") for each in made.loaded)
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(made.tags)
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert ("meta", "http-equiv", "Content-Security-Policy") in made.attributes
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert ("meta", "content", policy) in made.attributes


def decoded(address):
    kind, data = address.split(",")
    assert kind == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), int)


def test_the_strip_shows_the_case_from_left_to_right_and_ends_are_looked_at_closely():
    features = window(60, (20.0, 40.0), start=100.0)
    case = Case(
        "a",
        100.0,
        60.0,
        (said("opening", 120.0, 140.0),),
        (said("opening", 120.1, 152.0, 0.9),),
        pictures=of_features(features),
    )
    seen = picture_case(judge([case]).cases[0])
    strip = decoded(seen.strip)
    assert strip.shape == (STRIP_SIZE[1], STRIP * STRIP_SIZE[0], 3)
    middles = strip[STRIP_SIZE[1] // 2, STRIP_SIZE[0] // 2 :: STRIP_SIZE[0], 0]
    bright = [number for number, level in enumerate(middles) if level > 150]
    assert bright == [7, 8, 9, 10, 11, 12]  # 3 s each: their middles are 122.5 to 137.5 s
    assert [look.text for look in seen.looks] == [
        "true end of the opening, 2:20.00",
        "said end of the opening, 2:32.00",
    ]
    close = decoded(seen.looks[0].data)
    levels = close[33, 44::90, 0]
    assert (levels[:2] > 150).all()  # 138 and 139 s
    assert (levels[2:] < 150).all()


def test_pictures_of_media_are_those_shown_at_the_time(tmp_path):
    path = make_media(tmp_path / "a.mkv", duration=6.0, size=(352, 264), rate=10)
    shown = of_media(path)([0.5, 2.0, 99.0])
    assert shown[2] is None
    assert [read_barcode(picture) for picture in shown[:2]] == [5, 20]
    path.write_bytes(b"broken")
    case = Case("a", 0, 6, (said("opening", 1, 4),), (), pictures=of_media(path))
    seen = picture_case(judge([case]).cases[0])
    assert not seen.strip
    assert "a.mkv" in seen.problem
    assert "no pictures" in " ".join(Page(page(ReportPage("x", (), judge([case])))).texts)


def test_the_accuracy_benchmark_fills_a_page_of_its_windows(tmp_path):
    path = Path(__file__).parents[3] / "benchmarks" / "accuracy_report.py"
    spec = importlib.util.spec_from_file_location("accuracy_report", path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    asked = [
        SimpleNamespace(features=window(60, (20, 40), name="a"), side="start", truth=(20.0, 40.0)),
        SimpleNamespace(features=window(60, name="b"), side="start", truth=None),
        SimpleNamespace(features=window(60, name="c", side="end"), side="end", truth=None),
    ]
    answers = {
        "a": SimpleNamespace(start=None, end=41.5, score=0.8, says=True),
        "b": SimpleNamespace(start=None, end=None, score=0.0, says=False),
        "c": SimpleNamespace(start=5.0, end=30.0, score=0.6, says=True),
    }
    rows = {"AVTNetDense": {"score": 0.5, "f1": 0.9}, "constant": {"score": 32.0}}
    benchmark.write_accuracy(
        tmp_path / "a.html",
        rows,
        lambda given: answers[given.features.name],
        asked,
        {"start": "opening", "end": "ending"},
        [("data", "made up")],
    )
    made = Page((tmp_path / "a.html").read_text())
    assert made.table("score")["AVTNetDense"] == {"score": "0.5", "f1": "0.9"}
    assert made.table("score")["constant"]["f1"] == ""
    assert made.table("precision")["opening"]["right"] == "1"
    # A start window is not asked for an ending.
    assert made.table("precision")["ending"]["said where none is"] == "1 of 1"
    assert made.table("mean error (s)")["opening end"]["mean error (s)"] == "1.500"
    assert made.loaded


def labels_of(folder: Path) -> dict[str, dict[str, str]]:
    return json.loads((folder / "metrics.json").read_text())


def test_segments_of_episodes_are_scored_against_labels(tmp_path, capsys):
    """As ``avtnet locate --json`` writes them, of media next to the labels."""
    (tmp_path / "labelled").mkdir()
    make_media(tmp_path / "labelled" / "<b>01.mkv", duration=12.0, size=(160, 90), rate=10)
    files = {"said": tmp_path / "found.json", "true": tmp_path / "labelled" / "labels.csv"}
    write_timelines(
        files["said"],
        [
            Timeline("season/<b>01.mkv", 12.0, (Segment(1.0, 5.5, "opening", 0.9),)),
            Timeline("season/02.mkv", 12.0, (), "no media"),
            Timeline("season/other.mkv", 12.0, (Segment(1.0, 5.0, "opening", 0.9),)),
        ],
    )
    write_timelines(
        files["true"],
        [
            Timeline("<b>01.mkv", 0.0, (Segment(1.0, 5.0, "opening"), Segment(9, 11, "ending"))),
            Timeline("02.mp4", 0.0, (Segment(2.0, 6.0, "opening"),)),
        ],
    )
    words = [f"--segments={files['said']}", f"--labels={files['true']}"]
    assert main([*words, "-o", str(tmp_path / "report")]) == 0
    printed = capsys.readouterr().out
    assert "precision" in printed
    figures = labels_of(tmp_path / "report")
    assert figures["seconds"]["opening/recall"] == pytest.approx(0.5)
    assert figures["roles"]["opening"]["right"] == 1
    assert figures["ends"]["opening end"]["mae"] == pytest.approx(0.5)
    made = Page((tmp_path / "report" / "report.html").read_text())
    assert made.table("precision")["opening"]["precision"] == "1.000"
    assert made.table("mean error (s)")["opening end"]["mean error (s)"] == "0.500"
    assert made.table("opening/recall")["all files"]["opening/recall"] == "0.5"
    assert made.tags.count("article") == 2
    assert len(made.loaded) >= 1  # of the file that is there
    text = " ".join(made.texts)
    assert "season/<b>01.mkv" in text
    assert "failed: no media" in text
    rows = (tmp_path / "report" / "errors.csv").read_text().splitlines()
    assert rows[0] == "file,role,end,true,said,error,score"
    assert "season/<b>01.mkv,opening,end,5.000,5.500,+0.500,0.9" in rows


def test_made_up_episodes_are_labels_too(tmp_path, capsys):
    write_timelines(
        tmp_path / "found.json",
        [Timeline("made/media/s001.e01.mp4", 300.0, (Segment(20, 110, "opening", 0.8),))],
    )
    truth = {"name": "s001.e01", "duration": 300.0, "opening": [20.0, 111.0], "ending": None}
    (tmp_path / "episodes.json").write_text(json.dumps([truth]))
    words = [f"--segments={tmp_path}/found.json", f"--labels={tmp_path}/episodes.json"]
    assert main([*words, "-o", str(tmp_path / "report")]) == 0
    assert labels_of(tmp_path / "report")["ends"]["opening end"]["mae"] == pytest.approx(1)
    for wrong in ("[{}]", "[1]", "[[]]", json.dumps([{**truth, "opening": [5, 1]}]), "{", '"a"'):
        (tmp_path / "episodes.json").write_text(wrong)
        capsys.readouterr()
        assert main(words) == 1
        assert "episodes.json" in capsys.readouterr().err


def test_a_label_without_an_answer_is_named(tmp_path, capsys):
    write_timelines(tmp_path / "found.json", [Timeline("01.mkv", 12.0)])
    write_timelines(tmp_path / "true.json", [Timeline("02.mkv", 12.0)])
    words = [f"--segments={tmp_path}/found.json", f"--labels={tmp_path}/true.json"]
    assert main(words) == 1
    assert "02.mkv: has labels" in capsys.readouterr().err
    for wrong in (words[:1], [*words, "--weights=x"], []):
        with pytest.raises(SystemExit, match="2"):
            main(wrong)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Four windows with features and labels, and a taught AVTNetDense."""
    root = tmp_path_factory.mktemp("data")
    labels = {}
    for number, end in enumerate((60.5, 91.25, 120.0, 33.0)):
        name = f"ep{number}"
        span = None if number == 3 else (end - 25, end)
        save(
            window(200, span, name=name, seed=number),
            feature_path(root / "features", name, "start"),
        )
        labels[WindowId(name, "start")] = end
    write_labels(root / "labels.txt", labels)
    dense_checkpoint.save(root / "dense.safetensors", taught().network, taught().info)
    return root


def test_windows_are_evaluated_with_avtnetdense(labelled, tmp_path):
    words = [f"--data_root={labelled}", "-o", str(tmp_path / "report")]
    assert main([*words, f"--weights={labelled}/dense.safetensors"]) == 0
    figures = labels_of(tmp_path / "report")
    made = Page((tmp_path / "report" / "report.html").read_text())
    shown = made.table("score", "mae")
    for name, value in figures["all"].items():
        assert shown["all"][name] == f"{value:.4g}"
    rows = (tmp_path / "report" / "errors.csv").read_text().splitlines()[1:]
    off = sorted(abs(float(row.split(",")[3])) for row in rows)
    assert off[2] < 1  # three windows show what it was taught
    assert made.table("precision")["opening"]["true"] == "4"
    assert made.tags.count("article") == 4
    assert [rows for rows in made.tables if rows[0] == ["spans", "mean score", "right"]]


def test_a_submission_is_evaluated_with_or_without_features(labelled, tmp_path):
    true = {WindowId(f"ep{n}", "start"): value for n, value in enumerate((60.5, 91.25, 120.0, 33))}
    write_submission(tmp_path / "a.csv", {key: value + 1.5 for key, value in true.items()})
    words = [f"--submission={tmp_path}/a.csv", "-o", str(tmp_path / "report")]
    assert main([*words, f"--data_root={labelled}"]) == 0
    made = Page((tmp_path / "report" / "report.html").read_text())
    assert made.table("mean error (s)")["opening end"]["mean error (s)"] == "1.500"
    assert made.loaded
    write_labels(tmp_path / "bare" / "labels.txt", true)
    assert main([*words, f"--data_root={tmp_path}/bare"]) == 0
    made = Page((tmp_path / "report" / "report.html").read_text())
    assert not made.loaded
    assert made.table("precision")["opening"]["right"] == "4"
    assert "Nothing was said with a score" in " ".join(made.texts)
