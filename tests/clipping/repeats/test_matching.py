"""The matcher on arrays: planted stretches are found whole, and nothing else is found."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from making.shared import song

from clipping.repeats.fingerprint import SOUND_RATE, Fingerprint, sound_words
from clipping.repeats.index import Index
from clipping.repeats.matching import Tolerance, differing, match
from clipping.repeats.refine import RATE, Placed, change_point, correlate, refine

STEP = 0.04


def index(words):
    return Index(Fingerprint(np.asarray(words, np.uint32)[:, np.newaxis], STEP, 0.3, "sound"))


def strangers(rows, rng):
    """Words like those of real sound, which change slowly: each one lasts some rows."""
    slow = rng.integers(1, 1 << 32, -(-rows // 4), dtype=np.uint32).repeat(4)[:rows]
    return slow ^ few_bits(rows, rng, 0.03)


def few_bits(rows, rng, share):
    bits = rng.random((rows, 32)) < share
    return np.packbits(bits, axis=1, bitorder="little").view("<u4")[:, 0].astype(np.uint32)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    before=st.tuples(st.integers(0, 900), st.integers(0, 900)),
    behind=st.tuples(st.integers(0, 900), st.integers(0, 900)),
    length=st.integers(300, 1500),
    wrong=st.floats(0.0, 0.2),
)
def test_a_planted_stretch_is_found_whole_wherever_it_lies(seed, before, behind, length, wrong):
    rng = np.random.default_rng(seed)
    theme = strangers(length, rng)
    sides = [
        np.concatenate([strangers(first, rng), copy, strangers(last, rng)])
        for first, last, copy in zip(
            before, behind, (theme, theme ^ few_bits(length, rng, wrong)), strict=True
        )
    ]
    (run,) = match(index(sides[0]), index(sides[1]), shortest=10.0)
    assert run.offset == before[1] - before[0]
    assert abs(run.first - before[0]) <= 8
    assert abs(run.last - before[0] - length) <= 8
    assert run.score == pytest.approx(1 - 2 * wrong, abs=0.03)
    back = match(index(sides[1]), index(sides[0]), shortest=10.0)
    assert [(each.offset, each.score) for each in back] == [(-run.offset, run.score)]


def test_an_agreement_of_the_very_last_row_alone_is_no_stretch():
    rng = np.random.default_rng(476)  # a seed with which one smoothed row is below the tolerance
    length = int(rng.integers(20, 200))
    theme = strangers(length, rng)
    a = np.concatenate([strangers(400, rng), theme])
    b = np.concatenate([strangers(500, rng), theme ^ few_bits(length, rng, rng.uniform(0.2, 0.42))])
    shortest = float(rng.choice([5.0, 9.0, 10.0]))
    assert all(run.last - run.first > 100 for run in match(index(a), index(b), shortest=shortest))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_strangers_share_nothing(seed):
    rng = np.random.default_rng(seed)
    assert match(index(strangers(5000, rng)), index(strangers(7000, rng)), shortest=5.0) == []


def test_a_loop_is_said_once_and_costs_no_more():
    rng = np.random.default_rng(1)
    loop = np.tile(strangers(50, rng), 400)
    a = index(np.concatenate([strangers(700, rng), loop]))
    b = index(np.concatenate([loop, strangers(900, rng)]))
    found = match(a, b, shortest=10.0)
    assert len(found) <= 1  # a row that occurs 400 times tells no offset
    theme = strangers(600, rng)
    a = index(np.concatenate([loop, theme]))
    b = index(np.concatenate([theme, strangers(200, rng), loop]))
    assert any(run.offset == -len(loop) and run.score == 1.0 for run in match(a, b, shortest=10.0))


def test_gaps_are_bridged_up_to_the_tolerance():
    rng = np.random.default_rng(2)
    theme = strangers(2000, rng)
    worse = theme.copy()
    worse[600:680] = strangers(80, rng)
    worse[1200:1400] = strangers(200, rng)
    a, b = index(theme), index(worse)
    assert len(match(a, b, shortest=10.0)) == 2
    (run,) = match(a, b, shortest=10.0, tolerance=Tolerance(gap=10.0))
    assert (run.first, run.last, run.offset) == (0, 2000, 0)


def test_nothing_is_compared_with_nothing():
    empty, blank = index([]), index(np.zeros(2000))
    assert match(empty, blank, shortest=10.0) == []
    assert match(blank, blank, shortest=10.0) == []
    assert sound_words([]).shape == (0,)
    assert not sound_words([np.zeros(SOUND_RATE * 20, np.float32)]).any()


def test_the_bits_that_differ_are_counted():
    a = np.array([[0, 0], [0xFFFFFFFF, 1], [0x80000001, 0x00010000]], np.uint32)
    assert differing(a, np.zeros_like(a)).tolist() == [0, 33, 3]


@pytest.mark.parametrize("wrong", [{"errors": 0.5}, {"errors": 0}, {"smooth": 0}, {"gap": -1}])
def test_a_tolerance_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="got"):
        Tolerance(**wrong)


def test_blocks_of_any_size_give_the_same_words():
    samples = np.random.default_rng(3).normal(size=SOUND_RATE * 30).astype(np.float32)
    whole = sound_words([samples])
    cuts = np.sort(np.random.default_rng(4).integers(0, len(samples), 200))
    assert np.array_equal(sound_words(np.split(samples, cuts)), whole)
    assert len(whole) == 1 + (len(samples) - 4096) // 320 - 8


def reader(samples):
    def read(first, count):
        result = np.zeros(count, np.float32)
        low, high = max(0, first), min(len(samples), first + count)
        if high > low:
            result[low - first : high - first] = samples[low:high]
        return result

    return read


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    at=st.tuples(*[st.just(0.0) | st.floats(0.1, 9.0)] * 2),
    off=st.tuples(*[st.floats(-0.8, 0.8)] * 2),
    noise=st.floats(0.0, 0.05),
)
def test_ends_are_found_to_the_sample_from_a_coarse_guess(seed, at, off, noise):
    rng = np.random.default_rng(seed)
    length = 15 * RATE
    theme = rng.normal(0, 0.2, length)
    first = [round(each * RATE) for each in at]
    sides = []
    for begin, gain in zip(first, (1.0, 0.4), strict=True):
        side = rng.normal(0, 0.2, begin + length + 6 * RATE)
        side[begin : begin + length] = gain * theme
        sides.append((side + noise * rng.normal(size=len(side))).astype(np.float32))
    a, b = (begin / RATE for begin in first)
    coarse = Placed(
        max(0, a + off[0]),
        a + 15 + off[1],
        max(0, a + off[0]) + b - a + 0.01,
        b + 15 + off[1],
        False,
    )
    placed = refine(reader(sides[0]), reader(sides[1]), coarse)
    assert placed.exact
    assert (placed.start_a, placed.end_a) == pytest.approx((a, a + 15), abs=0.005)
    assert (placed.start_b, placed.end_b) == pytest.approx((b, b + 15), abs=0.005)
    assert placed.offset == pytest.approx(b - a, abs=0.0001)


def test_clocks_that_run_apart_are_followed_at_each_end():
    rng = np.random.default_rng(5)
    theme = soxr.resample(song(80, 1), 22050, RATE)
    slower = soxr.resample(theme, RATE, RATE * 1.00002)
    a = np.concatenate([rng.normal(0, 0.2, 5 * RATE), theme, rng.normal(0, 0.2, 6 * RATE)])
    b = np.concatenate([rng.normal(0, 0.2, 9 * RATE), slower, rng.normal(0, 0.2, 6 * RATE)])
    coarse = Placed(5.2, 84.8, 9.24, 88.84, False)
    placed = refine(reader(a), reader(b), coarse)
    assert (placed.start_a, placed.start_b) == pytest.approx((5, 9), abs=0.01)
    assert (placed.end_a, placed.end_b) == pytest.approx((85, 89.0016), abs=0.01)


def test_a_chord_that_is_held_fits_at_every_wave_and_has_one_place_all_the_same():
    """Two seconds of it alone are too few, however alike they are."""
    rng = np.random.default_rng(8)
    seconds = np.arange(5 * RATE) / RATE
    chord = 0.2 * sum(np.sin(2 * np.pi * hertz * seconds) for hertz in (400, 800, 1200))
    theme = np.concatenate([rng.normal(0, 0.2, 9 * RATE), chord])
    sides = [
        np.concatenate([rng.normal(0, 0.2, begin * RATE), theme, rng.normal(0, 0.2, 4 * RATE)])
        for begin in (4, 7)
    ]
    sides = [side + rng.normal(0, 0.05, len(side)) for side in sides]
    for late in range(-40, 41, 8):
        coarse = Placed(4.0, 18.0, 7.0 + late / 1000, 21.0 + late / 1000, False)
        placed = refine(reader(sides[0]), reader(sides[1]), coarse)
        assert (placed.end_a, placed.end_b) == pytest.approx((18, 21), abs=0.002)
        assert placed.end_b - placed.end_a == pytest.approx(3, abs=0.0002)


def test_what_does_not_correlate_stays_where_it_was():
    rng = np.random.default_rng(6)
    sides = [rng.normal(0, 0.2, 40 * RATE) for _ in range(2)]
    coarse = Placed(5.0, 20.0, 8.0, 23.0, False)
    assert refine(reader(sides[0]), reader(sides[1]), coarse) == coarse
    assert correlate(np.zeros(8000), np.zeros(9000)) == (0.0, 0.0)
    assert change_point(np.zeros(8000), np.zeros(8000)) == 0
