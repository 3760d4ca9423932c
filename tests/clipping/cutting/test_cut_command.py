"""Names of results, files that exist already, a full disk, and the command line of cutting."""

import json
import os
import resource
import shutil
import subprocess
import sys

import pytest
from making.cut_oracles import numbers
from making.media import make_media

from clipping.cutting.cut import cut, main, remove
from clipping.errors import ClippingError, MediaError
from clipping.segments import Segment


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return make_media(tmp_path_factory.mktemp("film") / "h264.mp4", size=(160, 90))


def test_labels_name_the_results_and_never_leave_the_folder(film, tmp_path):
    labels = ["opening", "opening", "../../etc/x", "..", "", "é/ü"]
    made = cut(film, [Segment(1, 2, label) for label in labels], output=tmp_path, mode="copy")
    assert [each.path.name for each in made] == [
        "h264.opening.mp4",
        "h264.opening.2.mp4",
        "h264.etc_x.mp4",
        "h264.1.000-2.000.mp4",
        "h264.1.000-2.000.2.mp4",
        "h264.é_ü.mp4",
    ]
    assert all(each.path.parent == tmp_path for each in made)


def test_the_source_and_existing_files_are_safe(film, tmp_path):
    source = film
    before = source.read_bytes()
    with pytest.raises(ClippingError, match="is the source"):
        cut(source, Segment(1, 2), output=source, overwrite=True)
    there = tmp_path / "there.mp4"
    there.write_text("precious")
    with pytest.raises(ClippingError, match=r"there.mp4: exists; --overwrite replaces it"):
        cut(source, Segment(1, 2), output=there)
    assert (there.read_text(), source.read_bytes()) == ("precious", before)
    cut(source, Segment(1, 2), output=there, overwrite=True)
    assert numbers(there) == list(range(24, 48))


def test_a_full_disk_leaves_nothing_behind(film, tmp_path):
    """A limit on file size fails like a full disk: only a part of the data is written."""
    script = (
        "import resource, signal, sys\n"
        "from clipping.cutting.cut import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (20000, {resource.RLIM_INFINITY}))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = [film, "--start=0.5", "--end=3.5", "-o", tmp_path / "out" / "x.mp4"]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 1
    assert "x.mp4: cannot be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("segments", "output", "message"),
    [
        ([], "out", "there are no segments"),
        ([Segment(5, 6)], "out", "ends at 0:00:04.000, before the end of 0:00:05.000"),
        ([Segment(1, 6)], "out", "ends at 0:00:04.000, before the end of 0:00:01.000"),
        ([Segment(1.01, 1.02)], "out", "no picture begins in 0:00:01.010"),
        ([Segment(1, 2), Segment(2, 3)], "one.mp4", "is one file; 2 segments need a folder"),
        ([Segment(1, 2)], "sound.webm", "webm files cannot hold h264 .*suffix .mkv"),
    ],
)
def test_what_cannot_be_cut_is_said(film, tmp_path, segments, output, message):
    with pytest.raises(ClippingError, match=message):
        cut(film, segments, output=tmp_path / output)
    assert not any(tmp_path.rglob("*.*"))


def test_removing_everything_is_refused(film, tmp_path):
    with pytest.raises(MediaError, match="nothing would be left"):
        remove(film, Segment(0, 4), output=tmp_path)


def test_the_command_cuts_the_chosen_labels_of_a_table(film, tmp_path, capsys):
    source = film
    items = [
        {
            "file": str(source),
            "duration": 4.0,
            "segments": [
                {"label": "opening", "start": 0.5, "end": 1.5},
                {"label": "ending", "start": 3.0, "end": 4.0},
            ],
        },
        {"file": "gone.mp4", "segments": [{"label": "ending", "start": 0, "end": 1}]},
        {"file": "bad.mp4", "error": "no picture"},
    ]
    table = tmp_path / "season.json"
    table.write_text(json.dumps(items))
    code = main(["--segments", str(table), "--labels", "ending", "-o", str(tmp_path / "out")])
    told = capsys.readouterr()
    assert code == 1  # two files failed, the third one was cut
    assert "gone.mp4: there is no such file" in told.err
    assert "bad.mp4" in told.err
    assert "0:00:03.000" in told.out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["h264.ending.mp4"]
    assert numbers(tmp_path / "out" / "h264.ending.mp4") == list(range(72, 96))


def test_the_command_removes_and_takes_clock_times(film, tmp_path, capsys):
    words = [str(film), "--start", "0:01", "--end", "0:00:03", "--remove"]
    assert main([*words, "-o", str(tmp_path)]) == 0
    assert numbers(tmp_path / "h264.cut.mp4") == [*range(24), *range(72, 96)]
    assert main([*words, "-o", str(tmp_path)]) == 1
    assert "exists; --overwrite replaces it" in capsys.readouterr().err
    assert main([*words, "-o", str(tmp_path), "--overwrite", "--mode", "copy"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what to take"),
        (["--start", "1"], "name at least one media file"),
        (["x.mp4", "--start", "1", "--labels", "opening"], "give --segments too"),
        (["x.mp4", "--start", "1", "--segments", "t.csv"], "not both"),
    ],
)
def test_wrong_command_lines_are_explained(words, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x.mp4", "--start", "1:99"], "--start: the seconds of a time with minutes are below 60"),
        (["x.mp4", "--start", "1"], "x.mp4: there is no such file or folder"),
        (["empty", "--start", "1"], "empty: there are no media files in it"),
    ],
)
def test_wrong_values_are_named(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(words) == 1
    assert message in capsys.readouterr().err


def test_a_file_name_that_is_no_text_is_cut_and_printed(film, tmp_path, capfd):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/[red]\xff.mp4")
    shutil.copy(film, odd)
    assert main([odd, "--start", "1", "--end", "2", "-o", str(tmp_path / "out")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["[red].1.000-2.000.mp4"]
    assert "[red]" in capfd.readouterr().out
