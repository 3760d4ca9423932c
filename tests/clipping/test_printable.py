"""Names of files cannot steer the terminal that they are printed on."""

import pytest

from avtnet.localization import main
from clipping.printable import printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Show S01E01 \u65e5\u672c\u3000\xe9 \u2603", "Show S01E01 \u65e5\u672c\u3000\xe9 \u2603"),
        ("two\nlines", "two\nlines"),
        ("a\x1b]0;title\x07b", r"a\x1b]0;title\x07b"),
        ("a\x9b31mb\r", r"a\x9b31mb\r"),
        ("gpj\u202e4pm", r"gpj\u202e4pm"),
        ("no \udcff utf-8", r"no \udcff utf-8"),
    ],
    ids=["words of any language", "lines", "title", "colour", "direction", "bytes"],
)
def test_control_characters_are_escapes(name, shown):
    assert printable(name) == shown


def test_locate_prints_a_hostile_name_harmlessly(tmp_path, capsys):
    (tmp_path / "a \x1b]0;title\x07 S01E01.mkv").write_text("no media")
    assert main([str(tmp_path), "--network=never", "--workers=0", "--explain=all"]) == 1
    assert main([str(tmp_path / "\x1b[31m.mkv")]) == 1
    said = capsys.readouterr()
    assert "\x1b]0" not in said.out + said.err
    assert "\x1b[31m" not in said.err
    assert r"\x1b]0;title\x07" in said.out
