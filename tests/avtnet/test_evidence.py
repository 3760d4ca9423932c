"""Several sources to one timeline: on made-up candidates."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making.windows import make_features

from avtnet.evidence import Candidate, fuse_candidates
from avtnet.search.text_support import with_text
from ensemble.sources import Vote, fuse_votes
from preprocess.settings import FeatureSettings


def said(source, role, start, end, *, sigma=0.03, trust=0.9, **more):
    return Candidate(source, role, start, end, sigma, trust, (f"by {source}",), **more)


def fused(*candidates, duration=1440.0, **options):
    return fuse_candidates(candidates, duration, **{"min_confidence": 0.3, **options})


def test_the_precise_source_places_what_both_see_and_both_make_it_surer():
    (opening,) = fused(
        said("repetition", "opening", 43.0, 133.0),
        said("chapters", "opening", 43.8, 132.4, sigma=0.6, trust=0.85),
    )
    assert (opening.start, opening.end) == pytest.approx((43.0, 133.0), abs=0.01)
    assert opening.score == pytest.approx(1 - 0.1 * 0.15, abs=0.001)
    assert opening.evidence == ("by repetition", "by chapters")


def test_a_source_that_puts_it_elsewhere_takes_confidence_away():
    networks = said("networks", "opening", None, 700.0, sigma=3.0, trust=0.5, assumed="assumed")
    (opening,) = fused(said("repetition", "opening", 43.0, 133.0), networks)
    assert (opening.start, opening.end) == (43.0, 133.0)
    assert opening.score == pytest.approx(0.9 * 0.75)
    assert opening.evidence[-1] == "elsewhere by networks: outvoted"
    (alone,) = fused(networks)
    assert (alone.start, alone.end, alone.score) == (0.0, 700.0, 0.5)
    assert alone.evidence[-1] == "assumed"


def test_a_network_that_knows_one_end_backs_the_stretch_it_fits():
    (ending,) = fused(
        said("repetition", "ending", 1330.0, 1420.0),
        said("networks", "ending", 1333.0, None, sigma=3.0, trust=0.5, assumed="assumed"),
    )
    assert (ending.start, ending.end) == pytest.approx((1330.0, 1420.0), abs=0.01)
    assert ending.score == pytest.approx(0.9), "its other end has one witness only"
    assert "assumed" not in ending.evidence


def test_a_persons_word_settles_it():
    by_hand = said("correction", "opening", 60.0, 150.0, trust=1.0, settled=True)
    (opening,) = fused(
        said("repetition", "opening", 43.0, 133.0), by_hand, denied=frozenset({"opening"})
    )
    assert (opening.start, opening.end, opening.score) == (60.0, 150.0, 1.0)
    found = said("repetition", "opening", 43.0, 133.0)
    assert fused(found, denied=frozenset({"opening"})) == ()


def test_of_two_names_for_the_same_seconds_the_better_founded_wins():
    (segment,) = fused(
        said("repetition", "ending", 0.0, 88.0, trust=0.7),
        said("chapters", "opening", 0.2, 87.8, sigma=0.6, trust=0.85),
    )
    assert segment.label == "opening"


CANDIDATES = st.builds(
    lambda source, role, start, length, sigma, trust, known: said(
        source,
        role,
        start if known != "end" else None,
        start + length if known != "start" else None,
        sigma=sigma,
        trust=trust,
    ),
    st.sampled_from(["repetition", "chapters", "networks", "themes"]),
    st.sampled_from(["opening", "ending", "recap", "preview", "mixed"]),
    st.floats(0, 1400),
    st.floats(2, 200),
    st.floats(0.01, 5),
    st.floats(0, 1),
    st.sampled_from(["both", "start", "end"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(CANDIDATES, max_size=8), st.floats(0, 1), st.randoms(use_true_random=False))
def test_whatever_is_said_segments_are_in_order_apart_and_inside(candidates, least, random):
    found = fuse_candidates(candidates, 1440.0, min_confidence=least)
    for segment in found:
        assert 0 <= segment.start < segment.end <= 1440
        assert least <= segment.score <= 1
        assert segment.evidence
    for one, other in itertools.pairwise(found):
        assert one.end <= other.start + 1e-9
    shuffled = list(candidates)
    random.shuffle(shuffled)
    again = fuse_candidates(shuffled, 1440.0, min_confidence=least)
    assert [(each.label, each.score) for each in again] == [
        (each.label, each.score) for each in found
    ]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.builds(
            Vote,
            st.sampled_from("abc"),
            st.floats(0, 100),
            st.floats(0.01, 3),
            st.floats(0, 1),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_a_fused_boundary_lies_among_those_that_agreed(votes):
    one = fuse_votes(votes)
    assert one == fuse_votes(votes[::-1])
    assert 0 <= one.confidence <= 1
    assert min(v.seconds for v in votes) - 1e-6 <= one.seconds
    assert one.seconds <= max(v.seconds for v in votes) + 1e-6
    assert len(one.agreed) + len(one.outvoted) == len(votes)


def test_credits_on_the_screen_back_a_stretch():
    features = make_features("ep", "start", 100.0, FeatureSettings())
    features.text[:] = False
    features.text[40:130, 5, 5] = True
    here = said("repetition", "opening", 40.0, 130.0, trust=0.7)
    elsewhere = said("repetition", "opening", 140.0, 190.0, trust=0.7)
    backed, other = with_text([here, elsewhere], [features])
    assert backed.trust == pytest.approx(0.82)
    assert backed.reasons[-1] == "text on 100% of its seconds, on 0% of those about it"
    assert other == elsewhere
    assert np.all(features.text.any(axis=(1, 2))[40:130])
