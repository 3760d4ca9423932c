"""Composed examples are changed in the same way as pictures and sound of files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from avtnet.dense.inputs import halved
from avtnet.synthesis.film import PLAIN, SHAPES, Film
from avtnet.synthesis.material import find_material
from avtnet.synthesis.mixing import _without_treble
from avtnet.synthesis.music import SAMPLE_RATE
from avtnet.synthesis.outline import single
from avtnet.synthesis.treatment import Treatment, draw_treatment, treat_pictures, treat_sound
from preprocess.audio import mel_decibels, mfcc
from preprocess.frames import letterbox
from preprocess.settings import FeatureSettings

MATERIAL = find_material(None, "train")
UNTREATED = Treatment(PLAIN, 4 / 3, 0.0, None, None)
SECONDS = 6


@pytest.fixture(scope="module")
def film() -> Film:
    return Film(single("opening", float(SECONDS), 5), (142, 80), MATERIAL, PLAIN)


@pytest.fixture(scope="module")
def pictures(film) -> np.ndarray:
    """Filling their canvas."""
    return np.stack(
        [np.asarray(film.picture(t)[0].resize((44, 33), 4)).transpose(2, 0, 1) for t in range(6)]
    )


def no_text(count: int = SECONDS) -> np.ndarray:
    return np.zeros((count, 27, 36), bool)


def test_a_gain_is_that_of_the_samples(film):
    settings = FeatureSettings(window=float(SECONDS))
    sound = film.sound(0.0, float(SECONDS))
    treated = treat_sound(mel_decibels(sound, settings), replace(UNTREATED, gain_db=-6.0))
    real = mfcc(sound * np.float32(10 ** (-6 / 20)), settings)
    assert np.abs(treated[:, : real.shape[1]] - real[:, : treated.shape[1]]).max() < 0.05


def test_treble_is_lost_as_by_a_codec(film):
    settings = FeatureSettings(window=float(SECONDS))
    sound = film.sound(0.0, float(SECONDS))
    whole = mel_decibels(sound, settings)
    treated = treat_sound(whole, replace(UNTREATED, treble_hertz=5000.0))
    real = mfcc(_without_treble(sound, 5000.0), settings)[:, : treated.shape[1]]
    untouched = treat_sound(whole, UNTREATED)[:, : real.shape[1]]
    apart, before = (np.abs(each - real).mean() for each in (treated, untouched))
    assert apart < 0.2 * before


def test_noise_is_as_loud_as_in_samples():
    settings = FeatureSettings(window=float(SECONDS))
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(SECONDS * SAMPLE_RATE, dtype=np.float32) * np.float32(0.001)
    real = mel_decibels(noise, settings)
    silence = np.full_like(real, -100.0)
    treated = treat_sound(silence, replace(UNTREATED, noise_db=-60.0))
    assert treated[0] / np.sqrt(128) == pytest.approx(float(real.mean()), abs=3)


def test_untreated_pictures_are_left_as_they_are(pictures):
    text = no_text()
    text[2, 3:6, 5:20] = True
    frames, masks = treat_pictures(pictures, text, UNTREATED, np.random.default_rng(0))
    assert np.array_equal(frames, pictures)
    assert np.array_equal(masks, text)


@pytest.mark.parametrize("shape", sorted(set(SHAPES)))
def test_pictures_of_any_shape_lie_where_thumbnails_have_them(pictures, shape):
    text = np.ones((SECONDS, 27, 36), bool)
    treatment = replace(UNTREATED, shape=shape)
    frames, masks = treat_pictures(
        np.full_like(pictures, 200), text, treatment, np.random.default_rng(0)
    )
    size = (round(100 * shape), 100)
    full = letterbox(size, (88, 66))
    canvas = np.zeros((1, 3, 66, 88), np.uint8)
    canvas[..., full.top : full.top + full.height, full.left : full.left + full.width] = 200
    apart = np.abs(frames[0].astype(int) - halved(canvas)[0])
    assert (apart > 0).any((0, 2)).sum() <= 2  # the rows that are half covered
    cells = letterbox(size, (36, 27))
    assert masks[0].sum() == cells.width * cells.height
    assert masks[0, cells.top : cells.top + cells.height].all()


def test_a_copy_looks_the_same_from_beginning_to_end(pictures):
    """Ten draws: equal pictures stay equal but for grain, so no boundary is marked by them."""
    same = np.repeat(pictures[:1], SECONDS, 0)
    changed = 0
    for seed in range(10):
        treatment = draw_treatment(np.random.default_rng(seed))
        calm = replace(treatment, manner=replace(treatment.manner, grain=0.0))
        frames, _ = treat_pictures(same, no_text(), calm, np.random.default_rng(seed))
        assert (frames == frames[:1]).all()
        changed += not np.array_equal(frames, same)
    assert changed >= 8


def test_a_stations_mark_stands_in_its_corner_and_may_read_as_text(pictures):
    treatment = replace(UNTREATED, manner=replace(PLAIN, mark=True))
    read = 0
    for seed in range(12):
        frames, masks = treat_pictures(
            pictures, no_text(50)[:SECONDS], treatment, np.random.default_rng(seed)
        )
        moved = (frames != pictures).any((0, 1))
        assert moved[:6, 30:].any()
        assert not moved[8:].any()
        assert not moved[:, :30].any()
        assert not masks[:, 8:].any()
        read += bool(masks.any())
    assert 2 <= read <= 10
