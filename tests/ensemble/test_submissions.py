"""Submissions: the challenge's rows, exactly; and no input breaks a reader in an unknown way."""

import contextlib
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clipping.errors import TableError
from clipping.formats.tables import read_timelines
from clipping.windows import WindowId, read_labels, read_submission, write_submission


def test_rows_are_sorted_by_window_with_three_decimals(tmp_path):
    path = tmp_path / "a.csv"
    positions = {
        WindowId("b", "start"): 64.68449,
        WindowId("a, “the first”", "start"): 0,
        WindowId("a, “the first”", "end"): 165.591,
        WindowId('S1/"x"', "start"): -0.0,
    }
    write_submission(path, positions)
    assert path.read_text("utf-8") == (
        '"S1/""x""_start.mp4",s,0.000\n'
        '"a, “the first”_end.mp4",e,165.591\n'
        '"a, “the first”_start.mp4",s,0.000\n'
        "b_start.mp4,s,64.684\n"
    )
    assert read_submission(path)[WindowId("b", "start")] == 64.684
    write_submission(tmp_path / "b.csv", dict(reversed(positions.items())))
    assert (tmp_path / "b.csv").read_bytes() == path.read_bytes()


names = st.text(min_size=1, max_size=15).filter(
    lambda name: all(ord(c) >= 32 and not 127 <= ord(c) < 160 and c != "\ufeff" for c in name)
)
windows = st.builds(WindowId, name=names, side=st.sampled_from(["start", "end"]))
milliseconds = st.integers(0, 200_000).map(lambda n: n / 1000)


@settings(max_examples=80, deadline=None)
@given(positions=st.dictionaries(windows, milliseconds, min_size=1, max_size=5))
def test_every_submission_survives(tmp_path_factory, positions):
    path = tmp_path_factory.getbasetemp() / "round-submission.csv"
    write_submission(path, positions)
    assert read_submission(path) == positions


def test_byte_order_mark_line_ends_and_blank_lines_do_not_matter(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfa_start.mp4,s,1.5\r\n\r\na_end.mp4,e,2\r\n\n\n")
    (tmp_path / "old.csv").write_bytes(b"a_start.mp4,s,1.5\ra_end.mp4,e, 2 ")
    expected = {WindowId("a", "start"): 1.5, WindowId("a", "end"): 2.0}
    assert read_submission(tmp_path / "a.csv") == expected
    assert read_submission(tmp_path / "old.csv") == expected


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("b_start.mp4,s", r"a row has 3 columns \(NAME_start.mp4,s,64.684\), got 2"),
        ("b_start.mp4,s,1,2", "a row has 3 columns"),
        ("b_start.mp4;s;1", "a row has 3 columns"),
        ("b_start,s,1", "the first column is NAME_start.mp4 or NAME_end.mp4, got 'b_start'"),
        ("b.mp4,s,1", "a window is called NAME_start or NAME_end, got 'b'"),
        ("b_start.mp4,e,1", "b_start needs 's' next to it, got 'e'"),
        ("b_end.mp4,end,1", "b_end needs 'e' next to it, got 'end'"),
        ("b_start.mp4,s,sixty", "the position is a number, got 'sixty'"),
        ("b_start.mp4,s,", "the position is a number, got ''"),
        ("b_start.mp4,s,NaN", "the position is a finite number, got nan"),
        ("b_start.mp4,s,-inf", "the position is a finite number, got -inf"),
        ("b_start.mp4,s,200.001", "the position is from 0 to 200 s, got 200.001"),
        ("b_start.mp4,s,-0.001", "the position is from 0 to 200 s, got -0.001"),
        ("a_start.mp4,s,9", "a_start stands on line 1 already"),
        ('"b\nc_start.mp4",s,9', "one line of text"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, row, complaint):
    path = tmp_path / "a.csv"
    path.write_text(f"a_start.mp4,s,1\n\n{row}\n")
    with pytest.raises(TableError, match=rf"a.csv:[34]: .*{complaint}"):
        read_submission(path)


@pytest.mark.parametrize("position", [math.nan, math.inf, -1e-9, 200.001])
def test_a_wrong_position_is_not_written(tmp_path, position):
    with pytest.raises(TableError, match=r"a.csv: b_end: the position is from 0 to 200 s"):
        write_submission(tmp_path / "a.csv", {WindowId("b", "end"): position})
    assert not list(tmp_path.iterdir())


def test_a_submission_without_windows_is_not_written(tmp_path):
    with pytest.raises(TableError, match="needs at least one window"):
        write_submission(tmp_path / "a.csv", {})


cells = st.sampled_from(
    [
        "a_start.mp4",
        "b_end.mp4",
        "a_start",
        "s",
        "e",
        "1.5",
        "nan",
        "1e999",
        "",
        '"',
        "'",
        "|",
        "\0",
    ]
)
tables = st.lists(st.lists(cells, max_size=7).map(",".join), max_size=4).map("\n".join)
headed = tables.map("file,label,start,end,confidence,evidence\n".__add__)
pieces = st.sampled_from(
    [*'[]{}:,1"', "null", "NaN", '{"file": "a", "segments": [{"label": "x", "start": ', "1e999"]
)
jsons = st.lists(pieces, max_size=12).map("".join)


@settings(max_examples=300, deadline=None)
@given(data=(tables | headed | jsons | st.text()).map(lambda s: s.encode("utf-8")) | st.binary())
@example(data=b"\xef\xbb\xbf")
@example(data=b"\xff\xfea\0")
@example(data=b'"' + b"x" * 200_000)
@example(data=b"file,label,start,end\na,x,1,2\na,x,1,2\n")
@example(data=b"file,label,start,end,confidence\na,x,1,2,\na,x,1,2,0.5\n")
@example(data=b'[{"file": "a", "segments": [{"label": "x", "start": 1e999, "end": ]}]')
def test_a_reader_raises_table_errors_and_nothing_else(tmp_path_factory, data):
    for suffix in (".csv", ".json", ""):
        path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
        path.write_bytes(data)
        for read in (read_labels, read_submission, read_timelines):
            with contextlib.suppress(TableError):
                assert isinstance(read(path), dict | list)
