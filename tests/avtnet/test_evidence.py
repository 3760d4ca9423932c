"""Several sources to one timeline: on made-up candidates."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making.dense_windows import taught, window
from making.windows import make_features

from avtnet.dense.finder import DenseFinder
from avtnet.evidence import Candidate, fuse_candidates
from avtnet.search.networks import NetworkInputs, Networks, network_candidates
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


def test_two_windows_of_a_short_file_are_one_source():
    """Both windows of a file shorter than 400 s hold the same song."""
    of_start_window = said("networks", "opening", 30.0, 120.0, sigma=1.5, trust=0.774)
    of_end_window = replace(of_start_window, start=30.4, end=120.6, trust=0.7)
    (alone,) = fused(of_start_window)
    (twice,) = fused(of_start_window, of_start_window)
    assert twice == alone
    assert twice.score == 0.774
    (other,) = fused(of_start_window, of_end_window)
    assert other.score == 0.774
    assert 30.0 < other.start < 30.4
    assert other.evidence == ("by networks",)


def test_a_network_that_looks_at_the_same_seconds_twice_is_as_sure_as_once():
    """Windows [0, 40) and [0, 48) of a file of 48 s, by one network and by two copies of it."""
    network = taught()
    start, end = (
        replace(window(seconds, (9.3, 22.0), side=side), duration=48.0)
        for seconds, side in ((40, "start"), (48, "end"))
    )

    def segments(windows, *dense):
        networks = Networks(start.settings, (DenseFinder(dense),))
        found = network_candidates(NetworkInputs(windows), [], networks, 1.0)
        return found, fuse_candidates(found, 48.0, min_confidence=0.0)

    (one,), (alone,) = segments((start,), network)
    (other,), _ = segments((end,), network)
    found, (both,) = segments((start, end), network, network)
    assert len(found) == 4
    assert alone.score == pytest.approx(one.trust, abs=0.001)
    assert both.score == pytest.approx(max(one.trust, other.trust), abs=0.001)
    assert sum("AVTNetDense" in reason for reason in both.evidence) == 1


def test_a_window_that_cuts_a_song_adds_no_second_vote_for_its_other_end():
    whole = said("networks", "ending", 150.0, 240.0, sigma=1.5, trust=0.7)
    cut = said("networks", "ending", 150.0, None, sigma=1.5, trust=0.6, assumed="cut")
    (ending,) = fused(whole, cut, duration=300.0)
    assert (ending.start, ending.end, ending.score) == (150.0, 240.0, 0.7)
    assert ending.evidence == ("by networks",)
    # The cut one may know its end better: then both are told.
    (ending,) = fused(whole, replace(cut, trust=0.75, reasons=("the surer start",)))
    assert ending.evidence == ("by networks", "the surer start")
    assert ending.score == 0.7


def test_other_sources_still_make_it_surer_and_weigh_as_much_as_against_one_candidate():
    networks = said("networks", "opening", 32.0, 122.0, sigma=1.5, trust=0.6)
    chapters = said("chapters", "opening", 30.0, 120.0, sigma=0.6, trust=0.85)
    once, many = fused(networks, chapters), fused(*[networks] * 5, chapters)
    assert many == once
    assert once[0].score == pytest.approx(1 - 0.4 * 0.15, abs=0.001)


@pytest.mark.parametrize("source", ["chapters", "themes", "correction of a sibling", "repetition"])
def test_one_source_that_names_a_stretch_twice_counts_once(source):
    """Two editions of chapters, a song kept as two themes, two corrected siblings."""
    one = said(source, "opening", 43.0, 133.0, trust=0.85)
    (opening,) = fused(one, replace(one, trust=0.8, reasons=("the other",)))
    assert opening.score == 0.85
    assert opening.evidence == (f"by {source}",)


def test_one_source_against_a_stretch_counts_once():
    found = said("repetition", "opening", 43.0, 133.0)
    elsewhere = said("networks", "opening", None, 700.0, sigma=3.0, trust=0.5)
    assert fused(found, elsewhere, replace(elsewhere, end=500.0)) == fused(found, elsewhere)
    # Of a vote for another end, too.
    longer = said("networks", "opening", 43.0, 153.0, sigma=1.5, trust=0.5)
    assert fused(found, longer, longer) == fused(found, longer)
    assert fused(found, longer)[0].evidence[-1] == "another end by networks: outvoted"


def test_of_two_roles_the_one_that_more_sources_give_wins_not_more_candidates():
    opening = said("networks", "opening", 0.0, 88.0, sigma=1.5, trust=0.5)
    ending = said("chapters", "ending", 0.0, 88.0, sigma=0.6, trust=0.85)
    (segment,) = fused(opening, opening, opening, ending)
    assert segment.label == "ending"


def test_a_source_that_contradicts_itself_is_less_sure():
    one = said("networks", "opening", 43.0, 133.0, sigma=1.5, trust=0.8)
    (opening,) = fused(one, replace(one, end=153.0, trust=0.6))
    assert opening.end == 133.0
    assert opening.score == pytest.approx(0.8 * 0.7)


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
    assert {*one.agreed, *one.outvoted} == {vote.source for vote in votes}


def test_credits_on_the_screen_back_a_stretch():
    features = make_features("ep", "start", 100.0, FeatureSettings())
    features.text[:] = False
    features.text[40:130, 5, 5] = True
    here = said("repetition", "opening", 40.0, 130.0, trust=0.7)
    elsewhere = said("repetition", "opening", 140.0, 190.0, trust=0.7)
    backed, other = with_text([here, elsewhere], [features])
    assert backed.trust == pytest.approx(0.82)
    assert backed.reasons[-1] == "text on 100% of its seconds, on 0% of the other seconds looked at"
    assert other == elsewhere
    assert np.all(features.text.any(axis=(1, 2))[40:130])


def test_text_counts_once_for_a_stretch_that_two_sources_name():
    features = make_features("ep", "start", 100.0, FeatureSettings())
    features.text[:] = False
    features.text[40:130, 5, 5] = True
    repetition = said("repetition", "opening", 40.0, 130.0, trust=0.7)
    chapters = said("chapters", "opening", 40.5, 129.0, sigma=0.6, trust=0.85)
    unchanged, supported = with_text([repetition, chapters], [features])
    assert unchanged == repetition
    assert supported.trust == pytest.approx(0.91)
    (opening,) = fused(unchanged, supported)
    assert opening.score == pytest.approx(1 - 0.6 * 0.3 * 0.15, abs=0.001)
    assert sum("text on" in reason for reason in opening.evidence) == 1


def test_text_of_seconds_that_two_windows_show_counts_once():
    """Windows of a file of 206 s: a stretch of 7 s is too short to judge, seen twice or once."""
    start = make_features("ep", "start", 100.0, FeatureSettings())
    start.text[:] = False
    start.text[40:47, 5, 5] = True
    end = replace(start, start=5.5, side="end", text=np.roll(start.text, -6, axis=0))
    short = said("chapters", "opening", 40.0, 47.0, trust=0.5)
    assert with_text([short], [start, end]) == [short]
    start.text[47:60, 5, 5] = True
    longer = replace(short, end=60.0)
    (supported,) = with_text([longer], [end, start])
    assert supported.reasons[-1].startswith("text on 100% of its seconds")
