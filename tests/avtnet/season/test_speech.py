"""Songs over story are told apart from the story's own music."""

from __future__ import annotations

from avtnet.season.roles import Claim
from avtnet.season.speech import without_score
from clipping.repeats.identities import Occurrence, Stretch
from clipping.segments import Role


def claim(role: Role, file: int, identity: int) -> Claim:
    place = Stretch(file, 60.0, 92.0)
    occurrence = Occurrence(place, (5,), 0.9, exact=True, by="sound")
    return Claim(role, place, identity, occurrence, 0.9)


def test_music_that_is_nobodys_song_is_no_song_over_story() -> None:
    score, opening = claim("mixed", 0, 7), claim("opening", 1, 3)
    assert without_score([score, opening]) == [opening]


def test_a_song_over_story_stays_where_it_is_an_opening_elsewhere_or_over_story_too() -> None:
    of_the_opening = [claim("mixed", 0, 3), claim("opening", 1, 3)]
    assert without_score(of_the_opening) == of_the_opening
    in_all = [claim("mixed", 0, 4), claim("mixed", 1, 4)]
    assert without_score(in_all) == in_all
