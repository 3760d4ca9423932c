"""A theme that was learnt once is found in any single file; times of other cuts go where they
belong."""

import json

import numpy as np
import pytest
from making.fuzzing import Damaged
from making.shared import CHEAP, RATE, film, song, spliced, story, write

from avtnet.themes import main
from clipping.errors import ClippingError, FeatureError, MediaError
from clipping.formats import catalog
from clipping.kept.move_times import move_times
from clipping.kept.theme_file import load_theme, make_theme, save_theme, theme_path
from clipping.kept.themes import find_themes, read_library
from clipping.repeats.file_fingerprint import SharedSettings, make_fingerprint
from clipping.segments import Segment, Timeline

SOUND = SharedSettings(by="sound")
WITHIN = 0.05
OPENING, ENDING = song(12, 1), song(9, 2, "ending")


@pytest.fixture(autouse=True)
def user(tmp_path_factory, monkeypatch):
    """Nobody's real directories."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    return folder


@pytest.fixture(scope="module")
def episodes(tmp_path_factory):
    """Three episodes; the first one as two releases, the second of them cut otherwise."""
    folder = tmp_path_factory.mktemp("episodes")
    first = [story(6, 3), OPENING, story(8, 4), ENDING, story(3, 5)]
    write(folder / "01.m4a", spliced(*first), **CHEAP)
    shorter = first[2][3 * RATE :]
    disc = spliced(story(4, 6), first[0], OPENING, shorter, 0.4 * ENDING, first[4])
    write(folder / "01 disc.ogg", disc, codec="libopus", rate=48000)
    # The opening's song under the credits too, its last second talked over.
    under = OPENING.copy()
    under[-RATE:] += 2 * story(1, 7)
    second = spliced(story(9, 8), OPENING, story(5, 9), under, story(3, 10))
    write(folder / "02.mp3", second, codec="libmp3lame", **CHEAP)
    write(folder / "03.m4a", story(20, 11), **CHEAP)
    return folder


@pytest.fixture(scope="module")
def themes(episodes):
    path = episodes / "01.m4a"
    return [
        make_theme(path, 6, 18, name="OP „Тест“"),
        make_theme(path, 26, 35, name="../ED/1", role="ending"),
    ]


@pytest.fixture
def library(themes, tmp_path):
    for theme in themes:
        save_theme(theme, tmp_path / "library")
    return tmp_path / "library"


def spans(found):
    return [(each.theme.role, each.start, each.end, each.exact, each.share) for each in found]


def test_a_theme_is_found_in_single_files_and_other_releases_as_often_as_it_is_there(
    episodes, library
):
    themes, problems = read_library(library)
    assert (problems, [theme.role for theme in themes]) == ([], ["ending", "opening"])
    disc = find_themes(make_fingerprint(episodes / "01 disc.ogg", SOUND), themes, SOUND)
    assert spans(disc) == [
        ("opening", pytest.approx(10, abs=WITHIN), pytest.approx(22, abs=WITHIN), True, 1),
        ("ending", pytest.approx(27, abs=WITHIN), pytest.approx(36, abs=WITHIN), True, 1),
    ]
    second = find_themes(make_fingerprint(episodes / "02.mp3", SOUND), themes, SOUND)
    assert spans(second) == [
        ("opening", pytest.approx(9, abs=WITHIN), pytest.approx(21, abs=WITHIN), True, 1),
        ("opening", pytest.approx(26, abs=WITHIN), pytest.approx(38, abs=WITHIN), True, 1),
    ]
    assert find_themes(make_fingerprint(episodes / "03.m4a", SOUND), themes, SOUND) == []


def test_a_part_of_a_theme_is_a_part_and_a_short_quotation_is_none(tmp_path, themes):
    part = write(
        tmp_path / "part.m4a", spliced(story(5, 20), OPENING[: 8 * RATE], story(5, 21)), **CHEAP
    )
    (found,) = find_themes(make_fingerprint(part, SOUND), themes, SOUND)
    assert (found.start, found.end) == pytest.approx((5, 13), abs=WITHIN)
    assert found.share == pytest.approx(8 / 12, abs=0.01)
    hint = write(
        tmp_path / "hint.m4a", spliced(story(5, 22), OPENING[: 4 * RATE], story(5, 23)), **CHEAP
    )
    assert find_themes(make_fingerprint(hint, SOUND), themes, SOUND) == []
    # A file that begins in the middle of it.
    late = write(tmp_path / "late.m4a", spliced(OPENING[RATE:], story(5, 24)), **CHEAP)
    (found,) = find_themes(make_fingerprint(late, SOUND), themes, SOUND)
    assert (found.start, found.end) == pytest.approx((0, 11), abs=WITHIN)


def test_a_theme_without_sound_is_found_by_its_pictures(tmp_path):
    small = {"size": (160, 90), "rate": 15}
    first = film(tmp_path / "a.mp4", [(3, 1), (8, 7), (4, 2)], **small)
    other = film(tmp_path / "b.mkv", [(6.2, 3), (8, 7), (3, 4)], codec="mpeg4", **small)
    save_theme(make_theme(first, 3, 11, name="pictures"), tmp_path)
    ([theme], _) = read_library(tmp_path)
    assert (theme.sound, theme.role) == (None, "opening")
    settings = SharedSettings(by="picture")
    (found,) = find_themes(make_fingerprint(other, settings), [theme], settings)
    assert (found.start, found.end, found.exact) == (
        pytest.approx(6.2, abs=0.1),
        pytest.approx(14.2, abs=0.1),
        False,
    )


def test_a_file_of_a_theme_is_the_same_again_and_trusted_in_nothing(episodes, themes, tmp_path):
    theme = themes[1]
    path = save_theme(theme, tmp_path)
    assert path == theme_path(tmp_path, "../ED/1")
    assert path.parent == tmp_path
    again = load_theme(path)
    assert np.array_equal(again.sound, theme.sound)
    assert (again.name, again.duration, again.source) == (theme.name, 9, theme.source)
    data = path.read_bytes()
    bad = tmp_path / "bad.theme"
    refused = 0
    for seed in range(300):
        content = Damaged(path, seed, tmp_path, load_theme).content()
        bad.write_bytes(content)
        if content == data:
            continue
        try:
            load_theme(bad)
        except FeatureError as error:
            refused += str(bad) in str(error)
    assert refused > 285
    bad.write_bytes(data[:-2])
    found, problems = read_library(tmp_path)
    assert [each.name for each in found] == ["../ED/1"]
    assert len(problems) == 1
    for start, end in ((5, 7), (30, 50), (8, 8)):
        with pytest.raises(MediaError, match=r"01\.m4a"):
            make_theme(episodes / "01.m4a", start, end, name="x")
    with pytest.raises(FeatureError, match="one line of text"):
        make_theme(episodes / "01.m4a", 5, 12, name="x\ny")


TIMES = Timeline(
    "01.m4a",
    38.0,
    (
        Segment(6.2, 17.8, "opening"),  # by hand, a little inside
        Segment(18, 25, "recap"),  # three seconds of it are not in the other cut
        Segment(26, 35, "ending", 0.9, ("somebody said so",)),
        Segment(35, 38, "preview"),
    ),
)


def test_times_are_moved_by_what_two_releases_share(episodes):
    here = make_fingerprint(episodes / "01 disc.ogg", SOUND)
    there = make_fingerprint(episodes / "01.m4a", SOUND)
    moved = move_times(TIMES, here, other=there, settings=SharedSettings(by="sound", shortest=2.5))
    got = {each.label: (each.start, each.end) for each in moved.timeline.segments}
    assert got["opening"] == pytest.approx((10.2, 21.8), abs=WITHIN)
    assert got["ending"] == pytest.approx((27, 36), abs=WITHIN)
    assert got["preview"] == pytest.approx((36, 39), abs=WITHIN)
    ending = moved.timeline.ending
    assert (ending.score, ending.evidence[0]) == (0.9, "somebody said so")
    assert "shared with 01.m4a: +1.000 s" in ending.evidence[1]
    # What was cut out at its beginning is no longer there to be skipped.
    assert got["recap"] == pytest.approx((22, 26), abs=WITHIN)
    assert moved.timeline.source == str(here.path)
    # The opening's song comes a second time in another episode: the nearer order counts.
    second = make_fingerprint(episodes / "02.mp3", SOUND)
    (segment,) = move_times(TIMES, second, other=there, settings=SOUND).timeline.segments
    assert (segment.label, segment.duration) == ("opening", pytest.approx(11.6, abs=WITHIN))
    assert segment.start == pytest.approx(9.2, abs=WITHIN)
    stranger = make_fingerprint(episodes / "03.m4a", SOUND)
    moved = move_times(TIMES, stranger, other=there, settings=SOUND)
    assert moved.timeline.segments == ()
    assert len(moved.left_out) == 4
    assert (
        "opening 0:00:06.200-0:00:17.800: left out: not half of it is in this file"
        in moved.left_out[0]
    )


def test_an_opening_that_was_put_elsewhere_is_found_and_one_with_a_break_in_it_left_out(tmp_path):
    parts = [story(8, 30), OPENING, story(9, 31), story(7, 32)]
    first = write(tmp_path / "a.m4a", spliced(*parts), **CHEAP)
    there = make_fingerprint(first, SOUND)
    times = Timeline("a.m4a", 36, (Segment(8, 20, "opening"),))
    order = [*parts[:1], *parts[2:], OPENING]
    moved = make_fingerprint(write(tmp_path / "b.m4a", spliced(*order), **CHEAP), SOUND)
    settings = SharedSettings(by="sound", shortest=4)
    (segment,) = move_times(times, moved, other=there, settings=settings).timeline.segments
    assert (segment.start, segment.end) == pytest.approx((24, 36), abs=WITHIN)
    half = len(OPENING) // 2
    broken = [*parts[:1], OPENING[:half], story(15, 33), OPENING[half:], *parts[2:]]
    moved = make_fingerprint(write(tmp_path / "c.m4a", spliced(*broken), **CHEAP), SOUND)
    result = move_times(times, moved, other=there, settings=settings)
    assert result.timeline.segments == ()
    assert "much between its parts" in result.left_out[0]


def test_without_the_other_release_times_snap_to_the_themes(episodes, themes):
    here = make_fingerprint(episodes / "01 disc.ogg", SOUND)
    moved = move_times(TIMES, here, themes=themes, settings=SOUND)
    got = {each.label: (each.start, each.end) for each in moved.timeline.segments}
    assert got == {
        "opening": pytest.approx((10, 22), abs=WITHIN),
        "ending": pytest.approx((27, 36), abs=WITHIN),
    }
    assert [line.split()[0] for line in moved.left_out] == ["recap", "preview"]
    # Of a song that is there twice, the one nearer to where it was.
    late = Timeline("x", 60, (Segment(30, 42, "mixed"),))
    second = make_fingerprint(episodes / "02.mp3", SOUND)
    (segment,) = move_times(late, second, themes=themes, settings=SOUND).timeline.segments
    assert (segment.start, segment.end) == pytest.approx((26, 38), abs=WITHIN)
    with pytest.raises(ClippingError, match="there is neither"):
        move_times(TIMES, here)


def test_the_commands_keep_list_find_move_and_remove(episodes, tmp_path, capsys, user):
    first, second, third = (str(episodes / name) for name in ("01.m4a", "02.mp3", "03.m4a"))
    cache = ["--cache", str(tmp_path / "cache")]
    assert main(["list"]) == 0
    assert "there are no themes" in capsys.readouterr().out
    assert main(["find", first, *cache]) == 1
    assert main(["add", "The OP", first, "6", "0:18.0", "--no-pictures"]) == 0
    assert main(["add", "The OP", first, "6", "18"]) == 1
    assert "--replace" in capsys.readouterr().err
    assert main(["add", "The OP", first, "6", "18", "--replace", "--role", "opening"]) == 0
    assert main(["add", "The ED", first, "26", "35"]) == 0
    assert sorted(path.suffix for path in (user / "data/avtnet/themes").iterdir()) == [".theme"] * 2
    capsys.readouterr()
    assert main(["list"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[:2] for line in told] == [["The ED", "ending"], ["The OP", "opening"]]
    out = tmp_path / "new" / "found.json"
    bad = tmp_path / "bad.mp3"
    bad.write_bytes(b"no media" * 99)
    assert main(["find", second, str(bad), third, "--json", str(out), *cache]) == 1
    told = capsys.readouterr()
    assert "bad.mp3" in told.err
    assert "03.m4a: none of the themes" in told.out
    rows = json.loads(out.read_text())
    assert [(row["file"], row["theme"], row["role"]) for row in rows] == [
        (second, "The OP", "opening")
    ] * 2
    assert main(["find", second, "--json", "-", *cache]) == 0
    assert json.loads(capsys.readouterr().out) == rows

    times = tmp_path / "01.aniskip.json"
    catalog.write(times, TIMES, "aniskip")
    disc, moved = str(episodes / "01 disc.ogg"), tmp_path / "01 disc.edl"
    words = ["move", str(times), disc, *cache]
    assert main([*words, "--from_release", first, "-o", str(moved)]) == 0
    assert len(moved.read_text().splitlines()) == 3
    assert main(words) == 1
    told = capsys.readouterr()
    assert "recap 0:00:18.000-0:00:25.000: left out" in told.err
    assert main(["remove", "The OP"]) == 0
    assert main(["remove", "The OP"]) == 1
    assert "has no theme 'The OP'" in capsys.readouterr().err
    for words in (["play"], [], ["add", "x", first], ["add", "x", first, "1", "b"], ["list", "x"]):
        with pytest.raises(SystemExit, match="2"):
            main(words)
