"""Properties that hold for any season, whatever pairs of files share and sources say."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avtnet.evidence import Candidate, fuse_candidates
from avtnet.season.roles import assign_roles
from clipping.repeats.identities import Match, Stretch, group_matches
from ensemble.sources import Vote, fuse_votes

few = settings(max_examples=50, deadline=None)
ROLES = ("opening", "ending", "recap", "preview", "mixed")


def tenths(least, most):
    """Seconds with many equal ones among them, as ties are where orders show."""
    return st.integers(round(least * 10), round(most * 10)).map(lambda value: value / 10)


@st.composite
def seasons(draw):
    """Durations by file, and what pairs of the files share; a sound may outlast its file."""
    count = draw(st.integers(2, 7))
    durations = {number: draw(tenths(30, 1500)) for number in range(count)}
    matches = []
    for _ in range(draw(st.integers(0, 14))):
        a, b = draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1))
        length = draw(st.sampled_from([5.0, 8.0, 12.0, 20.0, 89.9, 90.0, 150.0, 400.0]))
        places = []
        for file in (a, b):
            start = draw(tenths(0, durations[file]))
            places.append(Stretch(file, start, start + length + draw(st.sampled_from([0, 0.3]))))
        if places[0] == places[1]:
            continue
        score, exact = draw(st.sampled_from([0.3, 0.7, 1.0])), draw(st.booleans())
        by = draw(st.sampled_from(["sound", "sound", "picture"]))
        matches.append(Match(*places, score, exact, by))
    return durations, matches


@few
@given(seasons(), st.randoms(use_true_random=False))
def test_identities_do_not_depend_on_the_order_of_the_pairs(season, order):
    durations, matches = season
    gathered = group_matches(matches, durations)
    shuffled = list(matches)
    order.shuffle(shuffled)
    assert group_matches(shuffled, durations) == gathered
    for identity in gathered.identities:
        places = [(each.place.file, each.place.start) for each in identity.occurrences]
        assert places == sorted(places)
        for each in identity.occurrences:
            assert 0 <= each.place.start < each.place.end
            assert 0 <= each.score <= 1
            assert each.seen_with
    for files in gathered.copies:
        assert len(files) > 1
    assert len(set(sum(gathered.copies, ()))) == sum(map(len, gathered.copies))


@few
@given(seasons())
def test_what_copies_share_is_no_identity(season):
    durations, matches = season
    alike = min(durations[0], durations[1])
    copies = Match(Stretch(0, 0, alike), Stretch(1, 0, alike), 1.0)
    gathered = group_matches([*matches, copies], durations)
    assert any({0, 1} <= set(files) for files in gathered.copies)
    for identity in gathered.identities:
        for each in identity.occurrences:
            group = next((files for files in gathered.copies if each.place.file in files), ())
            assert not set(each.seen_with) & set(group)


@few
@given(seasons())
def test_roles_are_claimed_in_order_and_once_a_place(season):
    durations, matches = season
    claims = assign_roles(group_matches(matches, durations), durations)
    assert claims == sorted(claims, key=lambda each: (each.place.file, each.place.start))
    themes = [claim for claim in claims if claim.role in ("opening", "ending")]
    for number, claim in enumerate(themes):
        assert claim.role in ROLES
        assert 0 <= claim.chance <= 1
        assert claim.reasons
        assert all(claim.place.common(other.place) <= 1 for other in themes[:number])


@st.composite
def candidates(draw):
    start, length = draw(tenths(0, 1600)), draw(tenths(0.1, 200))
    known = draw(st.sampled_from(["both", "both", "start", "end"]))
    settled = known == "both" and draw(st.integers(0, 5)) == 0
    return Candidate(
        draw(st.sampled_from(["repetition", "chapters", "themes", "network"])),
        draw(st.sampled_from(ROLES)),
        start if known != "end" else None,
        start + length if known != "start" else None,
        draw(st.sampled_from([0.03, 0.3, 0.6, 5.0])),
        draw(st.sampled_from([0.0, 0.3, 0.85, 0.97, 1.0])),
        (draw(st.sampled_from(["so", "or so"])),),
        settled=settled,
    )


@few
@given(
    st.lists(candidates(), max_size=9),
    tenths(10, 1500),
    st.sampled_from([0.0, 0.3, 0.9]),
    st.frozensets(st.sampled_from(ROLES), max_size=2),
    st.randoms(use_true_random=False),
)
def test_segments_are_in_order_apart_and_inside_whoever_spoke_first(
    said, duration, least, denied, order
):
    segments = fuse_candidates(said, duration, min_confidence=least, denied=denied)
    shuffled = list(said)
    order.shuffle(shuffled)
    assert fuse_candidates(shuffled, duration, min_confidence=least, denied=denied) == segments
    end = 0.0
    for segment in segments:
        assert end <= segment.start < segment.end <= duration
        assert max(0.0, least) <= segment.score <= 1
        assert segment.label not in denied or any(each.settled for each in said)
        assert segment.evidence
        end = segment.end


votes = st.builds(
    Vote,
    st.sampled_from(["a", "b", "c"]),
    tenths(0, 20),
    st.sampled_from([0.03, 0.3, 1.0, 5.0]),
    st.sampled_from([0.0, 0.1, 0.35, 0.7, 0.95, 1.0]),
)


@few
@given(st.lists(votes, min_size=1, max_size=8), st.integers(0, 2**32))
def test_fused_votes_lie_among_those_that_agree(said, seed):
    fused = fuse_votes(said)
    shuffled = list(said)
    random.Random(seed).shuffle(shuffled)
    assert fuse_votes(shuffled) == fused
    assert 0 <= fused.confidence <= 1
    assert min(vote.seconds for vote in said) - 1e-9 <= fused.seconds
    assert fused.seconds <= max(vote.seconds for vote in said) + 1e-9
    assert {*fused.agreed, *fused.outvoted} == {vote.source for vote in said}
    repeated = fuse_votes([*said, *said])
    assert repeated.confidence == fused.confidence
    assert repeated.seconds == pytest.approx(fused.seconds)
    alone = fuse_votes(said[:1])
    assert alone.seconds == pytest.approx(said[0].seconds)
    assert alone.confidence == pytest.approx(said[0].trust)
