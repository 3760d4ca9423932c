"""Recaps: pieces of the episode before, whole, wherever they were taken from."""

from __future__ import annotations

from itertools import combinations

from avtnet.season.roles import assign_roles
from clipping.repeats.identities import Match, Stretch, group_matches

DURATIONS = dict.fromkeys(range(4), 1440.0)


def match(a: int, at: float, b: int, there: float, seconds: float) -> Match:
    return Match(Stretch(a, at, at + seconds), Stretch(b, there, there + seconds), 0.9)


def recaps(*matches: Match) -> list[tuple[int, float, float]]:
    claims = assign_roles(group_matches(matches, DURATIONS), DURATIONS)
    return [
        (claim.place.file, claim.place.start, claim.place.end)
        for claim in claims
        if claim.role == "recap"
    ]


def test_a_piece_from_the_beginning_goes_on_with_one_from_later() -> None:
    later, early = match(0, 252.0, 1, 0.0, 60.0), match(0, 132.0, 1, 60.0, 60.0)
    assert recaps(later, early) == [(1, 0.0, 120.0)]


def test_a_piece_that_is_hardly_moved_is_no_recap_by_itself() -> None:
    assert recaps(match(0, 132.0, 1, 60.0, 60.0)) == []


def test_music_that_others_play_too_does_not_cut_a_recap() -> None:
    music = {0: 1192.0, 1: 106.0, 2: 1143.0, 3: 1092.0}
    played = [match(a, music[a], b, music[b], 13.4) for a, b in combinations(music, 2)]
    assert recaps(match(0, 252.2, 1, 0.0, 105.2), *played) == [(1, 0.0, 105.2)]
    whole = match(0, 252.2, 1, 0.0, 120.0)
    assert recaps(whole, *played) == [(1, 0.0, 120.0)]


def test_a_piece_that_is_gathered_with_music_in_it_counts_beside_another() -> None:
    piece = match(0, 251.6, 1, 60.0, 60.0)
    music = {0: 253.0, 1: 61.4, 2: 1221.0, 3: 873.0}
    played = [match(a, music[a], b, music[b], 36.0) for a, b in combinations(music, 2) if b > 1]
    assert len(group_matches([piece, *played], DURATIONS).identities) == 1
    assert recaps(match(0, 371.6, 1, 0.0, 60.0), piece, *played) == [(1, 0.0, 120.0)]
    assert recaps(piece, *played) == []
