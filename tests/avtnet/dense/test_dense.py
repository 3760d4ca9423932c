"""AVTNetDense: any length, both ends, or nothing; its evidence, its file, its training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.dense import inference
from avtnet.dense import measure as dense_measure
from avtnet.dense.checkpoint import DenseCheckpoint
from avtnet.dense.decode import FoundSegment, Probabilities, by_place, decode
from avtnet.dense.inference import find_segments
from avtnet.dense.info import SHIPPED, DenseInfo, calibrated
from avtnet.dense.inputs import (
    Example,
    Inputs,
    boundary_times,
    class_shares,
    from_features,
    place,
)
from avtnet.dense.losses import dense_loss
from avtnet.dense.measure import measure
from avtnet.dense.model import AVTNetDense
from avtnet.dense.settings import BINS, REACH, SLOTS, DenseConfig
from avtnet.dense.tensors import Targets, as_tensors, collate
from clipping.errors import CheckpointError, FeatureError
from clipping.identity import Source
from preprocess.features import Features
from preprocess.settings import FeatureSettings

SMALL = DenseConfig(
    sound=(8, 8, 8), frames=(8, 8), text=(4, 8), width=32, dilations=(1, 2, 4), dropout=0.0
)


def network(config: DenseConfig = SMALL) -> AVTNetDense:
    torch.manual_seed(0)
    return AVTNetDense(config)


def features(seconds: int, *, covered: float | None = None, start: float = 0.0) -> Features:
    """A window of noise."""
    settings = FeatureSettings(window=float(seconds))
    rng = np.random.default_rng(seconds)
    shapes = settings.shapes
    return Features(
        mfcc=rng.normal(0, 50, shapes["mfcc"]).astype(np.float32),
        frames=rng.integers(0, 256, shapes["frames"], np.uint8),
        text=rng.random(shapes["text"]) < 0.1,
        name="noise",
        side="start",
        start=start,
        covered=float(seconds) if covered is None else covered,
        duration=1400.0,
        source=Source("noise.mkv", 1, "0"),
        settings=settings,
    )


def made_up(seconds: int, spans: dict[str, tuple[float, float]], sure: float = 0.95):
    """The evidence of a network that is right."""
    classes = class_shares(spans, 0.0, seconds) * sure + (1 - sure) / 3
    times = boundary_times(spans, 0.0, seconds)
    middles = np.arange(seconds) + 0.5
    bins = np.linspace(-REACH, REACH, BINS)
    peaks, offsets = np.zeros((seconds, 4)), np.full((seconds, 4, BINS), 1 / BINS)
    for kind, time in enumerate(times):
        if np.isnan(time):
            continue
        peaks[:, kind] = 0.9 * np.exp(-((middles - time) ** 2) / 2)
        for second in np.flatnonzero(np.abs(time - middles) < REACH):
            at = (time - middles[second] + REACH) / (2 * REACH) * (BINS - 1)
            low = min(int(at), BINS - 2)
            offsets[second, kind] = 0
            offsets[second, kind, low : low + 2] = 1 - (at - low), at - low
    assert bins[0] == -REACH
    return Probabilities(classes, peaks, offsets)


@pytest.mark.parametrize("seconds", [1, 7, 61])
def test_any_length_gives_evidence_for_every_second(seconds):
    given = as_tensors(from_features(features(seconds)))
    out = network().eval()(*given.numbers())
    assert out.classes.shape == (1, seconds, 3)
    assert out.peaks.shape == (1, seconds, 4)
    assert out.offsets.shape == (1, seconds, 4, BINS)


def test_the_default_network_is_light():
    assert sum(each.numel() for each in network(DenseConfig()).parameters()) < 1_000_000


def test_in_chunks_the_answer_is_that_of_the_whole(monkeypatch):
    checkpoint = DenseCheckpoint(None, network().eval(), DenseInfo(model=SMALL))
    given = features(75)
    asked = []

    def part(first, last):
        asked.append(last - first)
        return from_features(given, first, last)

    whole = inference.evidence(checkpoint, part, 75)
    monkeypatch.setattr(inference, "CHUNK", 20)
    pieces = inference.evidence(checkpoint, part, 75)
    assert asked[0] == 75
    assert max(asked[1:]) <= 20 + 2 * SMALL.reach
    for name in inference.NAMES:
        assert np.allclose(getattr(whole, name), getattr(pieces, name), atol=1e-5)


def test_what_a_row_may_not_see_does_not_matter():
    net = network().eval()
    one, other = (as_tensors(from_features(features(20))) for _ in range(2))
    other = other._replace(text=~other.text, place=other.place + 1)
    blind = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    first, second = (net(*given.numbers(), blind).classes for given in (one, other))
    assert torch.equal(first, second)
    assert not torch.equal(net(*one.numbers()).classes, net(*other.numbers()).classes)


def test_spans_are_found_to_a_fraction_of_a_second():
    spans = {"opening": (21.3, 110.85), "ending": (141.6, 193.15)}
    opening, ending = decode(made_up(200, spans))
    for found, label in ((opening, "opening"), (ending, "ending")):
        assert found.label == label
        assert (found.start, found.end) == pytest.approx(spans[label], abs=0.05)
        assert found.score > 0.8


def test_nothing_is_found_where_nothing_is():
    assert decode(made_up(200, {})) == []
    assert decode(made_up(3, {})) == []


def test_a_false_peak_inside_does_not_cut_a_span():
    given = made_up(200, {"opening": (30.0, 119.0)})
    given.peaks[70, 1] = 0.5
    (found,) = decode(given)
    assert found.end == pytest.approx(119, abs=0.1)


def test_what_the_window_cuts_ends_at_its_edge():
    (found,) = decode(made_up(200, {"ending": (150.0, 260.0)}))
    assert (found.start, found.end) == pytest.approx((150, 200), abs=0.1)
    (found,) = decode(made_up(200, {"ending": (150.0, 260.0)}), covered=187.5)
    assert found.end == 187.5


def test_an_opening_and_an_ending_never_overlap():
    given = made_up(200, {"opening": (30.0, 119.0)})
    other = made_up(200, {"ending": (60.0, 149.0)})
    both = Probabilities(
        (given.classes + other.classes) / 2, given.peaks + other.peaks, given.offsets
    )
    assert len(decode(both)) == 1


def test_segments_are_in_media_time_and_say_why(monkeypatch):
    given = made_up(200, {"ending": (100.0, 260.0)})
    monkeypatch.setattr(inference, "evidence", lambda *_: given)
    checkpoint = DenseCheckpoint(None, network(), DenseInfo(scale=2.0))
    (found,) = find_segments(features(200, start=1240.0), checkpoint)
    assert (found.label, found.start, found.end) == ("ending", 1340.0, 1440.0)
    assert 0.5 < found.score < 0.9  # one of its ends is not seen
    assert found.evidence[0].startswith("AVTNetDense: ending 9")
    assert found.evidence[1] == "its end is that of the window: it may go on beyond"


@pytest.mark.parametrize(("start", "cut"), [(1200.0, False), (1000.0, True)])
def test_what_a_window_cuts_is_an_unknown_end_but_the_files_end_is_one(monkeypatch, start, cut):
    monkeypatch.setattr(inference, "evidence", lambda *_: made_up(200, {"ending": (100.0, 260.0)}))
    checkpoint = DenseCheckpoint(None, network(), DenseInfo())
    (found,) = inference.window_candidates(features(200, start=start), checkpoint, trust=0.5)
    assert (found.role, found.start) == ("ending", start + 100)
    assert found.end == (None if cut else 1400.0)
    assert bool(found.assumed) == cut
    assert 0.2 < found.trust < 0.5


def test_the_shipped_weights_are_light_and_find_nothing_in_black_and_silence():
    assert SHIPPED.stat().st_size < 10 << 20
    assert dense_checkpoint.shipped().info.model == DenseConfig()
    noise = features(60)
    names = ("mfcc", "frames", "text")
    empty = replace(noise, **{name: np.zeros_like(getattr(noise, name)) for name in names})
    assert find_segments(empty) == []


def test_features_of_other_settings_are_refused():
    checkpoint = DenseCheckpoint(None, network().eval(), DenseInfo(model=SMALL))
    other = replace(checkpoint.info.features, text_engine="none")
    with pytest.raises(FeatureError, match="text_engine"):
        find_segments(
            features(20), replace(checkpoint, info=DenseInfo(model=SMALL, features=other))
        )


def example(opening: tuple[float, float], seed: int, seconds: int = 48) -> Example:
    """Bright and loud where the opening is."""
    rng = np.random.default_rng(seed)
    shares = class_shares({"opening": opening}, 0.0, seconds)[:, 1]
    at = (np.arange(seconds * SLOTS) + 0.5) / SLOTS
    loud = np.where((at >= opening[0]) & (at < opening[1]), 60.0, -60.0)
    frames = (
        60 + 120 * (shares > 0.5)[:, None, None, None] + rng.integers(0, 20, (seconds, 3, 33, 44))
    )
    return Example(
        (loud + rng.normal(0, 5, (20, seconds * SLOTS))).astype(np.float32),
        frames.astype(np.uint8),
        np.zeros((seconds, 27, 36), bool),
        place(np.arange(seconds), 1400.0),
        class_shares({"opening": opening}, 0.0, seconds),
        boundary_times({"opening": opening}, 0.0, seconds),
        0.0,
        1400.0,
    )


@pytest.mark.parametrize(("start", "told"), [(30.0, "opening"), (1240.0, "ending")])
def test_a_song_of_which_the_kind_is_open_is_told_by_its_place(start, told):
    either = made_up(200, {"opening": (50.0, 139.0)})
    both = made_up(200, {"ending": (50.0, 139.0)})
    open_ = Probabilities(
        *((getattr(either, name) + getattr(both, name)) / 2 for name in ("classes", "peaks")),
        either.offsets,
    )
    offsets = np.where(np.arange(4)[None, :, None] < 2, either.offsets, both.offsets)
    (found,) = decode(by_place(replace(open_, offsets=offsets), start, 1440.0))
    assert found.label == told
    assert (found.start, found.end) == pytest.approx((50.0, 139.0), abs=0.2)


def test_what_is_sure_is_not_told_otherwise_by_its_place():
    (found,) = decode(
        by_place(made_up(200, {"opening": (50.0, 139.0)}, sure=0.999), 1240.0, 1440.0)
    )
    assert found.label == "opening"


@pytest.mark.parametrize("duration", [0.0, 0.04, 3.0])
def test_the_place_in_a_file_far_shorter_than_the_window_is_a_number(duration):
    told = by_place(made_up(200, {"opening": (50.0, 139.0)}), 0.0, duration)
    assert np.isfinite(told.classes).all()
    assert np.isfinite(told.peaks).all()


def test_two_windows_are_learned_by_heart():
    net = network()
    examples = [example((9.3, 22.0), 1), example((20.75, 40.4), 2)]
    inputs, targets = collate(examples)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        loss = dense_loss(net(*inputs.numbers()), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 4
    figures = measure(net.eval(), examples)
    assert figures["hit0.5"] == 1
    assert figures["f1"] > 0.95
    assert figures["false"] == 0


def test_scores_are_moved_towards_the_share_that_is_right(monkeypatch):
    examples = [example((9.3, 22.0), seed) for seed in range(20)]
    sure = FoundSegment("opening", 9.3, 22.0, 0.9, 0.9, 0.9, 0.9)
    wrong = replace(sure, end=30.0)
    turn = iter([sure, wrong] * 10)
    monkeypatch.setattr(dense_measure, "answer", lambda *_: {"opening": next(turn)})
    scale, offset = dense_measure.calibrate(network(), examples)
    assert calibrated(0.9, DenseInfo(scale=scale, offset=offset)) == pytest.approx(0.5, abs=0.1)
    monkeypatch.setattr(dense_measure, "answer", lambda *_: {})
    assert dense_measure.calibrate(network(), examples) == (1.0, 0.0)


def test_a_batch_without_any_boundary_has_a_loss():
    net = network()
    inputs, _ = collate([example((9.3, 22.0), 1)])
    nothing = Targets(
        torch.tensor([[[1.0, 0.0, 0.0]]]).expand(1, 48, 3), torch.full((1, 4), torch.nan)
    )
    loss = dense_loss(net(*inputs.numbers()), nothing)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("half", [False, True])
def test_a_checkpoint_rebuilds_its_network(tmp_path, half):
    net = network().eval()
    info = DenseInfo(model=SMALL, scale=1.5, trained_on="noise", metrics={"f1": 0.5})
    dense_checkpoint.save(tmp_path / "a.safetensors", net, info, half=half)
    again = dense_checkpoint.load(tmp_path / "a.safetensors")
    assert again.info == info
    given = as_tensors(from_features(features(20))).numbers()
    with torch.inference_mode():
        one, two = net(*given).classes, again.network(*given).classes
    assert torch.allclose(one, two, atol=1e-2 if half else 0)


def test_files_that_are_no_such_checkpoint_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    dense_checkpoint.save(path, network(), DenseInfo(model=replace(SMALL, width=16)))
    with pytest.raises(CheckpointError, match="tensors are not those"):
        dense_checkpoint.load(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CheckpointError):
        dense_checkpoint.load(path)
    torch.save({}, path)
    with pytest.raises(CheckpointError, match="pickle"):
        dense_checkpoint.load(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        dense_checkpoint.load(tmp_path / "gone.safetensors")


def test_inputs_are_the_features_own_seconds():
    given = features(12)
    part: Inputs = from_features(given, 4, 9)
    assert part.frames.shape == (1, 5, 3, 33, 44)
    mean = given.frames[4, 0, :2, :2].mean()
    assert float(part.frames[0, 0, 0, 0, 0]) == pytest.approx(mean, abs=0.51)
    assert np.array_equal(part.text[0], given.text[4:9])
    column = round((4 + 0.5 / SLOTS) * 22050 / 512)
    assert part.sound[0, :, 0] == pytest.approx(given.mfcc[:, column])
