"""The counts of benchmarks/count_code.py: of a toy checkout, to the last one, and of this one."""

import json
import sys
from pathlib import Path

import pytest

# Behind everything else: that folder has a preprocess.py.
sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import count_code

ROOT = Path(__file__).parents[1]

TOY = {
    "avtnet/first.py": '''\
"""What one end of a circle is."""

import avtnet.season.second


class Twin:
    """Where   nothing is."""

    size: int = 0
    """Whether it is big."""


def long_one(a):
    """Whatever it is: no such beginning."""
    b = a
    return b


def bare():
    return 1
''',
    "avtnet/season/__init__.py": "",
    "avtnet/season/second.py": '''\
"""The other end, made anew."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avtnet.season import third


class Twin:
    """Has a name that another class has."""


@cache
def late(hints):
    from ..first import Twin

    # Nothing here hangs
    # on the weather, "anew".
    return Twin, hints, "anew"  # at the end of a line
''',
    "avtnet/season/third.py": "hint = 1\n",
    "clipping/scan.py": '''\
"""One pass."""

from typing import Literal

import preprocess.many.m00

scan, home = 1, 2
Size = Literal["small", "seeing"]
''',
    "tests/test_first.py": "assert 1\n" * 11,
    "docs/page.md": "The pages of whom\nnone is made anew.\n",
} | {f"preprocess/many/m{number:02}.py": "" for number in range(26)}


@pytest.fixture
def toy(tmp_path):
    for name, text in TOY.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def places():
    return count_code.count(ROOT)["places"]


def test_files_folders_and_lines(toy):
    figures = count_code.count(toy)["figures"]
    assert list(figures) == ["avtnet", "preprocess", "clipping", "in all"]
    every = figures["in all"]
    assert every["files"] == 31
    assert every["most code files in one folder"] == 26
    assert every["- which folder"] == "preprocess/many"
    assert [each["folders above 25 code files"] for each in figures.values()] == [0, 1, 0, 1]
    assert every["- which file"] == "avtnet/first.py"
    assert every["lines of the longest file"] == TOY["avtnet/first.py"].count("\n")
    code = "".join(TOY[name] for name in TOY if name.endswith(".py") and "tests" not in name)
    assert every["lines"] == code.count("\n")
    assert every["lines of tests / lines"] == round(11 / every["lines"], 2)
    assert every["comment lines, %"] == round(200 / every["lines"], 1)


def test_functions_have_lines_without_decorators_and_docstrings(toy):
    figures = count_code.count(toy)["figures"]["in all"]
    assert figures["function lines: median, p95, longest"] == [3, 6, 6]
    assert figures["- which function"] == "avtnet.season.second.late"
    assert figures["documented, %: functions, classes"] == [33.3, 100.0]


def test_rooms_arrows_and_a_circle(toy):
    counted = count_code.count(toy)
    figures, places = counted["figures"], counted["places"]
    # avtnet/*.py and avtnet/season, each with an arrow to the other
    assert figures["avtnet"]["rooms, entries, modules"] == [2, 2, 4]
    assert figures["avtnet"]["- arrows between them"] == [2, 2, 3]
    assert figures["avtnet"]["- circles of them"] == [1, 1, 1]
    assert figures["in all"]["rooms, entries, modules"] == [4, 4, 31]
    assert figures["in all"]["- arrows between them"] == [3, 3, 4]
    assert places["import circles, by module"] == {
        "avtnet.first ↔ avtnet.season.second": ["avtnet.first", "avtnet.season.second"]
    }
    assert list(places["import circles, by entry"]) == ["avtnet/first.py ↔ avtnet/season"]


def test_docstrings_doubled_names_and_phrases(toy):
    counted = count_code.count(toy)
    figures, places = counted["figures"]["in all"], counted["places"]
    assert figures["What: definitions, modules, values"] == [0, 1, 0]
    assert figures["Where: definitions, modules, values"] == [1, 0, 0]
    assert figures["Whether: definitions, modules, values"] == [0, 0, 1]
    begins = places["docstrings by their first word"]
    assert begins["Whether, value"] == ["avtnet/first.py:10"]
    assert places["classes in 2+ modules"] == {
        "Twin": ["avtnet/first.py", "avtnet/season/second.py"]
    }
    assert places["functions in 2+ modules"] == {}
    assert {key: at for key, at in places["hard phrases"].items() if at} == {
        "hangs on → depends on": ["avtnet/season/second.py:18"],
        "anew → again": [f"avtnet/season/second.py:{line}" for line in (1, 19, 20)],
    }
    assert {key: at for key, at in places["hard phrases in pages"].items() if at} == {
        "anew → again": ["docs/page.md:2"],
        "of whom → whose": ["docs/page.md:1"],
    }


def test_puzzling_names(toy):
    puzzling = count_code.count(toy)["places"]["puzzling names"]
    assert {key.split()[0]: at for key, at in puzzling.items() if at} == {
        "hints*": ["avtnet/season/second.py:15 hints"],
        "scan()": ["clipping/scan.py:1 scan"],  # the module; a variable may have the common word
        "seeing": ["clipping/scan.py:8 seeing"],
    }


@pytest.mark.parametrize(
    ("name", "module", "public", "key"),
    [
        ("_take_guests", "avtnet.season.roles", False, "guest*"),
        ("LateSight", "avtnet.look", False, "sight*"),
        ("_TALK", "avtnet.season.snap", False, "talk*"),
        ("talk", "avtnet.synthesis.scenery", True, None),
        ("home", "avtnet.season.roles", False, "home"),
        ("home", "avtnet.season.names", True, None),
        ("share", "ensemble.fuse", True, "share()"),
        ("share", "ensemble.fuse", False, None),
        ("score_share", "avtnet.synthesis.mixing", True, None),
        ("told", "avtnet.evidence", False, "told"),
        ("told_by", "clipping.formats.titles", True, None),
        ("print_summary", "avtnet.evaluate", True, None),
    ],
)
def test_where_a_name_puzzles(name, module, public, key):
    assert count_code.puzzle_in(name, module, public) == key


def test_the_command(toy, monkeypatch, capsys):
    file = toy / "counts.json"
    monkeypatch.setattr(sys, "argv", ["count_code.py", str(toy), "--json", str(file), "--names"])
    assert count_code.main() == 0
    out = capsys.readouterr().out
    assert "| most code files in one folder " in out
    assert "avtnet.first ↔ avtnet.season.second" in out
    assert "avtnet/season/second.py:15 hints" in out
    assert json.loads(file.read_text(encoding="utf-8")) == count_code.count(toy)


def test_a_folder_without_packages_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["count_code.py", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        count_code.main()
    assert "holds none of avtnet, preprocess, ensemble, clipping" in capsys.readouterr().err


def test_docstrings_have_a_subject_and_a_verb(places):
    begins = [at for each in places["docstrings by their first word"].values() for at in each]
    assert len(begins) <= 5, "\n".join(begins)


def test_no_puzzling_name_remains(places):
    assert {key: at for key, at in places["puzzling names"].items() if at} == {}


def test_no_hard_phrase_remains(places):
    for title in ("hard phrases", "hard phrases in pages"):
        assert {key: at for key, at in places[title].items() if at} == {}


def test_a_public_name_is_one_thing(places):
    assert places["classes in 2+ modules"] == {}
    # Of commands, tasks, formats, checkpoints and text engines: the same function for each of them.
    contracts = {"main", "train", "evaluate", "predict", "to_text", "from_text"}
    assert set(places["functions in 2+ modules"]) <= contracts | {"build", "load", "save"}
