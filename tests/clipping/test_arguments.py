"""Words of a command line: options anywhere, several words for a tuple, --config beaten by all."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipping import config


@dataclass(frozen=True)
class Part:
    """A part of it."""

    names: tuple[str, ...] = ()
    """what it is called"""
    size: tuple[int, int] = (1, 2)
    """width and height"""
    quiet: bool = False
    """say less"""
    title: str = ""
    """line above it; default: none"""


@dataclass(frozen=True)
class Settings:
    """Do a thing to files."""

    files: tuple[str, ...] = field(default=(), metadata={"help": "what to read"})
    weights: tuple[Path, ...] = ()
    """checkpoints"""
    labels: tuple[str, ...] | None = None
    """which ones"""
    count: int = 1
    """how many"""
    output: Path = Path(".")
    """where to"""
    mode: str = "fast"
    """how"""
    part: Part = field(default_factory=Part)


def parse(*words):
    return config.parse(Settings, words, prog="prog", positional="files")


def write(folder, text, name="settings.yaml"):
    path = folder / name
    path.write_text(text)
    return str(path)


def test_options_beat_the_config_file_wherever_it_stands(tmp_path):
    path = write(tmp_path, "count: 7\nmode: slow\n")
    for words in (["--config", path, "--count", "3"], ["--count", "3", "--config", path]):
        assert parse(*words) == Settings(count=3, mode="slow")
    assert parse("--count=3", f"--config={path}").count == 3


def test_options_beat_the_file_of_their_group_and_that_beats_the_config(tmp_path):
    whole = write(tmp_path, "part: {size: [5, 6], quiet: true}\n")
    group = write(tmp_path, "size: [7, 8]\n", "part.yaml")
    for words in (["--part", group, "--config", whole], ["--config", whole, "--part", group]):
        assert parse(*words).part == Part(size=(7, 8), quiet=True)
        assert parse("--no-part.quiet", *words).part == Part(size=(7, 8), quiet=False)


def test_files_may_stand_in_the_config(tmp_path):
    path = write(tmp_path, "files: [a.mkv, b c.mkv]\ncount: 2\n")
    assert parse("--config", path) == Settings(("a.mkv", "b c.mkv"), count=2)
    assert parse("--config", path, "d.mkv").files == ("d.mkv",)


@pytest.mark.parametrize("text", ["files: a.mkv\n", "files: [1]\n", "files: {a: b}\n"])
def test_files_of_a_wrong_type_in_the_config_are_refused(tmp_path, capsys, text):
    with pytest.raises(SystemExit, match="2"):
        parse("--config", write(tmp_path, text))
    assert "settings.yaml: files: Expected a" in capsys.readouterr().err


@dataclass(frozen=True)
class Demanding:
    """Needs files."""

    files: tuple[str, ...] = field(metadata={"help": "what to read"})


def test_files_that_are_required_may_come_from_the_config_too(tmp_path, capsys):
    path = write(tmp_path, "files: [a.mkv]\n")
    got = config.parse(Demanding, ["--config", path], prog="prog", positional="files")
    assert got == Demanding(("a.mkv",))
    with pytest.raises(SystemExit, match="2"):
        config.parse(Demanding, [], prog="prog", positional="files")
    assert "required: files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--labels", "opening", "ending"], ("opening", "ending")),
        (["--labels", "opening,ending"], ("opening", "ending")),
        (["--labels=opening,ending"], ("opening", "ending")),
        (["--labels", "[opening, ending]"], ("opening", "ending")),
        (["--labels", "opening", "--labels", "ending"], ("opening", "ending")),
        (["--labels", "opening"], ("opening",)),
        (["--labels", "a,b", "c"], ("a,b", "c")),
        (["--labels", "1", "null", "[x", "a: b"], ("1", "null", "[x", "a: b")),
        (["--labels", "[]"], ()),
        (["--count", "2"], None),
    ],
)
def test_a_tuple_takes_several_words(words, wanted):
    assert parse(*words).labels == wanted
    assert parse("a.mkv", *words, "--mode", "x").files == ("a.mkv",)


def test_paths_keep_their_commas_and_brackets():
    assert parse("--weights", "a,b.safetensors").weights == (Path("a,b.safetensors"),)
    assert parse("--weights", "[Group] Show.mkv").weights == (Path("[Group] Show.mkv"),)


@pytest.mark.parametrize("words", [["3", "-4"], ["3,-4"], ["[3, -4]"]])
def test_a_tuple_of_numbers(words):
    assert parse("--part.size", *words).part.size == (3, -4)


@pytest.mark.parametrize("words", [["3"], ["3", "4", "5"], ["a", "b"], []])
def test_a_tuple_of_the_wrong_length_or_kind_is_refused(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse("--part.size", *words)
    assert "part.size" in capsys.readouterr().err


def test_a_flag_of_a_group_is_switched_both_ways():
    for words in (["--no-part.quiet"], ["--no_part.quiet"], ["--part.quiet", "false"]):
        assert parse("--part.quiet", *words).part.quiet is False


def test_files_may_stand_anywhere():
    wanted = Settings(("a.mkv", "b.mkv", "c.mkv"), count=2, part=Part(quiet=True))
    assert parse("a.mkv", "--count", "2", "b.mkv", "--part.quiet", "c.mkv") == wanted
    assert parse("--count", "2", "--part.quiet", "--", "a.mkv", "b.mkv", "c.mkv") == wanted
    assert parse("--files", "a.mkv", "b.mkv", "c.mkv", "--count=2", "--part.quiet") == wanted


def test_names_that_look_like_options_or_are_no_utf8():
    odd = os.fsdecode(b"\xff.mkv")
    assert parse("-", "--count", "2", "--", "-a.mkv", "--count", odd).files == (
        "-",
        "-a.mkv",
        "--count",
        odd,
    )


def test_values_that_look_like_options():
    assert parse("--count", "-3").count == -3
    assert parse("--mode=--count").mode == "--count"


@pytest.mark.parametrize("words", [["--count"], ["--labels"], ["--labels", "--count", "2"]])
def test_an_option_without_its_value_is_refused(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(*words)
    assert "expected one argument" in capsys.readouterr().err


def test_an_abbreviation_is_refused_with_the_whole_name(capsys):
    with pytest.raises(SystemExit, match="2"):
        parse("--lab", "x")
    assert "did you mean --labels?" in capsys.readouterr().err


def test_help_is_short_and_plain(capsys):
    with pytest.raises(SystemExit, match="0"):
        parse("--help")
    printed = capsys.readouterr().out
    assert printed.startswith("usage: prog [options] [files ...]\n")
    assert "what to read" in printed
    assert "where to (type: path, default: .)" in printed
    assert "<class" not in printed
    assert "\n--part:\n  A part of it.\n" in printed, "a group, by the name of its options"
    assert "line above it; default: none (type: str)\n" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_a_word_that_is_like_no_option_gets_no_advice(capsys):
    with pytest.raises(SystemExit, match="2"):
        parse("--nosuch", "x")
    assert "did you mean" not in capsys.readouterr().err


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(names.filter(lambda name: name[0] not in "-["), min_size=2, max_size=4))
def test_any_words_reach_a_tuple_as_they_were_typed(words):
    assert parse("--labels", *words).labels == tuple(words)
    assert parse("--labels", *words, "--", *words).files == tuple(words)
