"""Matches of pairs become identities by consensus; single wrong pairs do not matter."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipping.repeats.identities import Match, Stretch, group_matches


def pairs(places, *, noise=0.0, seed=0, by="sound"):
    """Matches of all pairs of files that hold one thing at these places {file: (start, end)}."""
    rng = np.random.default_rng(seed)
    found = []
    for (a, (s, e)), (b, (t, f)) in itertools.combinations(places.items(), 2):
        low, high = rng.normal(0, noise, 2) if noise else (0.0, 0.0)
        found.append(
            Match(
                Stretch(a, max(0, s + low), e + high),
                Stretch(b, max(0, t + low), f + high),
                0.9,
                by=by,
            )
        )
    return found


def spans(identity):
    return {each.place.file: (each.place.start, each.place.end) for each in identity.occurrences}


FOUR = dict.fromkeys(range(4), 1440.0)


def test_an_opening_whose_place_moves_is_one_identity():
    places = {0: (0, 90), 1: (660, 750), 2: (43, 133), 3: (1230, 1320)}
    (identity,) = group_matches(pairs(places), FOUR).identities
    assert spans(identity) == places
    assert identity.occurrences[0].seen_with == (1, 2, 3)
    assert identity.seconds == 90


@settings(max_examples=50, deadline=None)
@given(
    starts=st.lists(st.floats(0, 1300), min_size=3, max_size=8),
    length=st.floats(15, 120),
    seed=st.integers(0, 1000),
)
def test_the_ends_are_those_that_most_pairs_agree_on(starts, length, seed):
    places = {file: (start, start + length) for file, start in enumerate(starts)}
    durations = dict.fromkeys(places, 1440.0)
    found = pairs(places, noise=0.01, seed=seed)
    (identity,) = group_matches(found, durations).identities
    for file, span in spans(identity).items():
        assert span == pytest.approx(places[file], abs=0.06)


def test_one_wrong_pair_moves_nothing():
    places = {file: (100.0 * file + 5, 100.0 * file + 95) for file in range(6)}
    found = pairs(places)
    wrong = found[0]
    found[0] = Match(
        Stretch(wrong.a.file, wrong.a.start - 4, wrong.a.end + 3),
        Stretch(wrong.b.file, wrong.b.start - 4, wrong.b.end + 3),
        0.9,
    )
    (identity,) = group_matches(found, dict.fromkeys(range(6), 1440.0)).identities
    assert spans(identity) == places
    assert identity.occurrences[0].doubt == 4


def test_an_opening_that_some_episodes_cut_short_stays_whole_in_the_others():
    whole = {0: (10, 100), 1: (20, 110), 2: (30, 120)}
    short = {3: (40, 75), 4: (50, 85)}
    found = pairs(whole) + pairs(short)
    for (a, (s, _)), (b, (t, f)) in itertools.product(whole.items(), short.items()):
        found.append(Match(Stretch(a, s, s + f - t), Stretch(b, t, f), 0.9))
    gathered = group_matches(found, dict.fromkeys(range(5), 1440.0))
    every = {
        each.place.file: (each.place.start, each.place.end)
        for identity in gathered.identities
        for each in identity.occurrences
    }
    assert every == whole | short


def test_a_logo_in_front_is_not_the_openings_where_some_episode_parts_them():
    # In files 0 and 1 the opening follows the logo at once; in 2 and 3 a cold open lies between.
    opening = {0: (8, 98), 1: (8, 98), 2: (60, 150), 3: (70, 160)}
    logo = dict.fromkeys(range(4), (0, 8))
    found = [match for match in pairs(opening) if {match.a.file, match.b.file} != {0, 1}]
    found += [match for match in pairs(logo) if {match.a.file, match.b.file} != {0, 1}]
    found.append(Match(Stretch(0, 0, 98), Stretch(1, 0, 98), 0.9))
    first, second = group_matches(found, FOUR).identities
    assert spans(first) == opening
    assert spans(second) == {0: (0, 8), 1: (0, 8), 2: (0, 8), 3: (0, 8)} or set(spans(second)) >= {
        2,
        3,
    }


def test_copies_of_an_episode_say_nothing_of_each_other():
    places = {0: (43, 133), 1: (43, 133), 2: (90, 180)}
    found = pairs({0: places[0], 2: places[2]}) + pairs({1: places[1], 2: places[2]})
    found.append(Match(Stretch(0, 0, 1440), Stretch(1, 0, 1440), 0.95))
    gathered = group_matches(found, dict.fromkeys(range(3), 1440.0))
    assert gathered.copies == ((0, 1),)
    (identity,) = gathered.identities
    assert spans(identity) == places
    assert group_matches(found[-1:], dict.fromkeys(range(2), 1440.0)).identities == ()


def test_two_openings_of_a_season_stay_two():
    first, second = {0: (30, 120), 1: (35, 125)}, {2: (30, 120), 3: (60, 150)}
    jingle = {0: (30, 42), 1: (35, 47), 2: (30, 42), 3: (60, 72)}
    between = [m for m in pairs(jingle) if (m.a.file < 2) != (m.b.file < 2)]
    gathered = group_matches(pairs(first) + pairs(second) + between, FOUR)
    assert sorted(map(spans, gathered.identities), key=str) == [first, second]


def test_a_double_episode_holds_its_opening_twice():
    found = pairs({0: (10, 100), 1: (40, 130)}) + pairs({0: (1450, 1540), 1: (40, 130)})
    (identity,) = group_matches(found, {0: 2880.0, 1: 1440.0}).identities
    assert [each.place.start for each in identity.within(0)] == [10, 1450]
    assert identity.files == (0, 1)


def test_a_place_checks_itself():
    with pytest.raises(ValueError, match="start < end"):
        Stretch(0, 5, 5)
