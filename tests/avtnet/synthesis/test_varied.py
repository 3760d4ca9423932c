"""Varied episodes: what is in them; features straight from them are those of their files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from making.film_features import window_features
from PIL import Image

from avtnet.synthesis.detector import Detector
from avtnet.synthesis.encode import encode
from avtnet.synthesis.film import Film
from avtnet.synthesis.material import SPLITS, Material, find_material
from avtnet.synthesis.outline import Outline, OutlineStretch, draw_outline
from avtnet.synthesis.settings import SynthesizeConfig
from avtnet.synthesize import synthesize
from clipping.errors import ClippingError
from preprocess import extract
from preprocess.features import FeatureSettings

PLAIN = find_material(None, "train")
PERFECT = Detector(found=1.0, steady=1.0, false_boxes=0.0, jitter=0.0)


def outlines(count: int) -> list[Outline]:
    return [draw_outline(3, index, series=index, name=f"e{index}") for index in range(count)]


def test_parts_follow_each_other_and_openings_lie_anywhere_or_are_missing():
    drawn = outlines(600)
    for outline in drawn:
        edges = [each.start for each in outline.stretches]
        assert edges[0] == 0
        assert edges[1:] == pytest.approx([each.end for each in outline.stretches[:-1]])
        assert all(each.length > 0 for each in outline.stretches)
        for kind in ("opening", "ending"):
            assert sum(each.kind == kind for each in outline.stretches) <= 1
    openings = [span for outline in drawn if (span := outline.span("opening"))]
    assert len(openings) / 600 == pytest.approx(0.88, abs=0.04)
    starts = np.array([span[0] for span in openings])
    assert np.mean(starts == 0) > 0.05
    assert np.mean(starts > 200) > 0.01
    after = [outline.duration - span[1] for outline in drawn if (span := outline.span("ending"))]
    assert len(after) / 600 == pytest.approx(0.9, abs=0.04)
    assert np.mean(np.array(after) > 30) > 0.1


def test_labels_are_said_only_of_boundaries_that_lie_in_a_window():
    for outline in outlines(200):
        opening, ending = outline.span("opening"), outline.span("ending")
        assert ("start" in outline.labels) == (opening is not None and opening[1] <= 200)
        if "end" in outline.labels:
            begin = max(0.0, outline.duration - 200)
            assert begin + outline.labels["end"] == pytest.approx(ending[0])


def short(kind: str = "ending", seed: int = 4) -> Outline:
    """Story, song, story in 18 s."""
    parts = (("story", 5.4), (kind, 7.35), ("story", 5.25))
    at, stretches = 0.0, []
    for number, (name, length) in enumerate(parts):
        stretches.append(OutlineStretch(name, at, at + length, seed + number))
        at += length
    return Outline("short", seed, tuple(stretches), seed)


def test_any_second_can_be_seen_and_heard_without_those_before_it():
    one, two = (Film(short(), (128, 72), PLAIN) for _ in range(2))
    late = one.picture(11.3)
    two.picture(2.0)
    assert np.array_equal(late[0], two.picture(11.3)[0])
    assert late[1] == two.picture(11.3)[1]
    whole = one.sound(0.0, 18.0)
    assert len(whole) == 18 * 22050
    assert np.allclose(whole[4 * 22050 : 9 * 22050], two.sound(4.0, 9.0), atol=1e-6)


def test_features_without_a_codec_are_those_of_the_file(tmp_path):
    """Pictures within 8 of 255 in the mean, MFCC within 12 in the median, 95 % of cells."""
    settings = FeatureSettings(window=18.0)
    film = Film(short(), (320, 180), PLAIN)
    sound = film.mastered(0.0, 18.0)
    encode(tmp_path / "short.mp4", film.pictures(4), sound, size=film.size, rate=4, crf=23)
    real = extract(tmp_path / "short.mp4", "start", settings)
    fast = window_features(film, "start", settings, detector=PERFECT)
    assert fast.duration == pytest.approx(real.duration, abs=0.3)
    apart = np.abs(real.frames.astype(float) - fast.frames).mean((1, 2, 3))
    assert np.median(apart) < 8
    known = np.s_[:, : int(17.5 * 22050 / 512)]
    assert np.median(np.abs(real.mfcc[known] - fast.mfcc[known])) < 12
    assert np.corrcoef(real.mfcc[known][0], fast.mfcc[known][0])[0, 1] > 0.95
    assert np.mean(real.text == fast.text) > 0.95


def test_a_detector_misses_small_print_and_drawings():
    size, rng = (640, 360), np.random.default_rng(0)
    detector = Detector(found=1.0, steady=1.0, false_boxes=0.0)
    seen = {high: 0 for high in (5, 20, 150)}
    for number in range(60):
        for high in seen:
            left, top = rng.uniform(0, 100, 2)
            box = (left, top, left + 8 * high if high < 100 else left + high, top + high)
            seen[high] += len(detector.see([(number, box)], size, number, 0))
    assert seen[5] < 10
    assert seen[20] > 55
    assert seen[150] < 20


def test_no_file_belongs_to_two_splits(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    for kind, suffix in (("music", "ogg"), ("pictures", "png"), ("fonts", "ttf")):
        (tmp_path / kind).mkdir()
        for number in range(40):
            (tmp_path / kind / f"Face{chr(65 + number)}-Bold.{suffix}").touch()
    for speaker in ("cs", "en", "nl"):
        (tmp_path / "speech" / speaker).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "speech" / speaker / f"a-m-{number}.ogg").touch()
    found: list[Material] = [find_material(tmp_path, split) for split in SPLITS]
    for name in ("music", "pictures", "latin", "speakers"):
        held = [set(getattr(each, name)) for each in found]
        assert all(held)
        assert len(held[0] | held[1] | held[2]) == sum(map(len, held))
    with pytest.raises(ClippingError, match="no folder"):
        find_material(tmp_path / "gone", "train")
    with pytest.raises(ClippingError, match="gone: no folder with music"):
        find_material(None, "train", {"music": tmp_path / "gone"})
    alone = [find_material(None, split, {"music": tmp_path / "music"}) for split in SPLITS]
    assert [each.music for each in alone] == [each.music for each in found]
    assert not any(each.pictures or each.speakers for each in alone)


def test_varied_files_are_made_with_their_truth(tmp_path):
    config = SynthesizeConfig(
        tmp_path,
        kind="varied",
        split="test",
        episodes=1,
        duration=30.0,
        duration_spread=0.0,
        size="96x64",
        rate=2,
        workers=0,
        seed=2,
    )
    synthesize(config)
    (truth,) = json.loads((tmp_path / "episodes.json").read_text())
    assert truth["settings"]["split"] == "test"
    assert truth["parts"][-1]["end"] == pytest.approx(truth["duration"], abs=1e-3)
    for kind in ("opening", "ending"):
        spans = [[part["start"], part["end"]] for part in truth["parts"] if part["kind"] == kind]
        assert spans == ([pytest.approx(truth[kind], abs=1e-3)] if truth[kind] else [])
    rows = (tmp_path / "labels.txt").read_text().splitlines()
    assert {row.split()[0].rsplit("_", 1)[1] for row in rows} == set(truth["labels"])
    made = Path(tmp_path / truth["file"]).stat().st_mtime_ns
    synthesize(config)
    assert Path(tmp_path / truth["file"]).stat().st_mtime_ns == made
