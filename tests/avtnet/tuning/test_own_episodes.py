"""A person's own episodes as windows: the truth anywhere in them, nothing where it is not known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avtnet.dense.inputs import from_features
from avtnet.dense.losses import dense_loss
from avtnet.dense.model import Evidence
from avtnet.dense.settings import BINS, SLOTS
from avtnet.dense.tensors import collate
from avtnet.tuning.episodes import Mixed, OwnEpisode, OwnWindows, own_part, window
from avtnet.tuning.labels import KINDS, Labels
from clipping.identity import Source
from clipping.segments import Segment
from preprocess.features import Features
from preprocess.settings import FeatureSettings

COLUMNS = 22050 / 512


def episode(
    duration: float, *spans: tuple[str, float, float], known: frozenset[str] = frozenset(KINDS)
) -> OwnEpisode:
    """Pictures are as bright as the second that they are of; the sound counts seconds."""
    seconds = int(np.ceil(duration))
    frames = np.broadcast_to(
        (np.arange(seconds) % 250)[:, None, None, None], (seconds, 3, 33, 44)
    ).astype(np.uint8)
    columns = np.arange(round(seconds * COLUMNS)) / COLUMNS
    labels = Labels(tuple(Segment(start, end, kind) for kind, start, end in spans), known, "test")
    return OwnEpisode(
        "e",
        duration,
        frames,
        np.zeros((seconds, 27, 36), bool),
        np.broadcast_to(columns, (20, len(columns))).astype(np.float16),
        labels,
    )


@pytest.mark.parametrize("start", [0.0, 3.0, 12.37, 37.62, 43.999])
def test_a_window_begins_anywhere_and_its_pictures_never_contradict_the_truth(start):
    opening = (41.3, 130.85)
    made = window(episode(500.0, ("opening", *opening)), start)
    begin = opening[0] - start if start < opening[0] else np.nan
    true = [begin, opening[1] - start, np.nan, np.nan]
    assert made.times == pytest.approx(true, abs=1e-4, nan_ok=True)
    assert made.classes[:, 1].sum() == pytest.approx(opening[1] - max(start, opening[0]), abs=1e-3)
    assert made.classes.sum(1) == pytest.approx(1)
    times = start + np.arange(200)
    shown = made.frames[:, 0, 0, 0].astype(float)
    assert np.abs(shown - times).max() < 1
    inside = (times >= opening[0]) & (times < opening[1])
    assert ((shown >= opening[0]) & (shown < opening[1])).tolist() == inside.tolist()
    instants = start + (np.arange(200 * SLOTS) + 0.5) / SLOTS
    assert made.sound[7] == pytest.approx(instants, abs=0.15)  # half precision


def test_after_the_files_end_there_is_nothing():
    made = window(episode(150.4, ("ending", 60.0, 149.0)), 0.0)
    assert not made.frames[151:].any()
    assert not made.sound[:, 151 * SLOTS :].any()
    assert made.place[:, 4].sum() == 151
    assert made.classes[151:, 0].all()


def test_of_what_nobody_spoke_nothing_is_known():
    given = episode(1000.0, ("opening", 30.0, 120.0), known=frozenset({"opening"}))
    assert window(given, 0.0).classes.sum(1) == pytest.approx(1)
    assert not window(given, 800.0).classes.any()  # the ending may be here, or not
    given = episode(300.0, ("ending", 100.0, 190.0), known=frozenset({"ending"}))
    made = window(given, 0.0)
    assert not made.classes[:100].any()
    assert made.classes[100:190, 2] == pytest.approx(1)
    given = episode(1000.0, ("mixed", 20.0, 80.0), ("ending", 900.0, 990.0))
    made = window(given, 0.0)
    assert not made.classes[20:80].any()
    assert made.classes[82:, 0].all()


def test_of_two_openings_a_window_is_about_one():
    given = episode(400.0, ("opening", 10.0, 40.0), ("opening", 150.0, 240.0))
    made = window(given, 0.0)
    assert made.times[0] == pytest.approx(150)
    assert not made.classes[10:40].any()
    assert made.classes[160:, 1].all()


def test_what_is_said_of_unknown_seconds_costs_nothing():
    given = episode(1000.0, ("opening", 30.0, 120.0), known=frozenset({"opening"}))
    _, targets = collate([window(given, 800.0)])
    torch.manual_seed(0)
    shapes = ((1, 200, 3), (1, 200, 4), (1, 200, 4, BINS))
    out = Evidence(*(torch.randn(shape, requires_grad=True) for shape in shapes))
    loss = dense_loss(out, targets)
    loss.backward()
    assert float(loss.detach()) == 0
    _, targets = collate([window(given, 0.0)])
    assert float(dense_loss(out, targets).detach()) > 0.1


def test_windows_are_drawn_of_all_episodes_in_turn_and_always_the_same():
    given = [episode(900.0, ("opening", 50.0 + k, 140.0), ("ending", 700.0, 789.0)) for k in (0, 1)]
    drawn = [OwnWindows(given, seed=3).example(index) for index in range(60)]
    again = OwnWindows(given, seed=3).example(17)
    assert np.array_equal(again.place, drawn[17].place)
    assert np.array_equal(again.times, drawn[17].times, equal_nan=True)
    times = np.stack([each.times for each in drawn])
    seen = ~np.isnan(times)
    assert (seen.sum(0) > 12).all()
    assert len(np.unique(np.round(times[seen[:, 0], 0] % 1, 2))) > 5  # at any fraction
    # The start of one of them is at 50, of the other at 51: both are there where a file begins.
    assert {50.0, 51.0} <= set(times[seen[:, 0], 0].round(3).tolist())


def test_own_windows_stand_among_composed_ones():
    class Numbered:
        def __init__(self, value):
            self.value = value

        def example(self, index):
            return self.value

    mixed = Mixed(Numbered("composed"), Numbered("own"), 0.3, seed=1)
    drawn = [mixed.example(index) for index in range(400)]
    assert drawn.count("own") / 400 == pytest.approx(0.3, abs=0.07)


def test_the_seconds_of_an_episode_are_those_of_its_features():
    """Training sees the same features at whole seconds as locate."""
    settings = FeatureSettings(window=20.0)
    rng = np.random.default_rng(0)
    features = Features(
        mfcc=rng.normal(0, 50, settings.shapes["mfcc"]).astype(np.float32),
        frames=rng.integers(0, 256, settings.shapes["frames"], np.uint8),
        text=rng.random(settings.shapes["text"]) < 0.1,
        name="e", side="start", start=0.0, covered=20.0, duration=20.0,
        source=Source("e.mkv", 1, "0"), settings=settings,
    )  # fmt: skip
    from avtnet.dense.inputs import halved

    own = OwnEpisode(
        "e", 20.0, halved(features.frames), features.text,
        features.mfcc[:, : round(20 * COLUMNS)].astype(np.float16),
        Labels((Segment(3.3, 9.7, "opening"),), frozenset(KINDS), "test"),
    )  # fmt: skip
    for mine, theirs in zip(own_part(own, 4, 17), from_features(features, 4, 17), strict=True):
        assert np.allclose(mine, theirs, atol=0.1)
