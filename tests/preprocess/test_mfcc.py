"""MFCC are librosa's on the same samples, whatever the sound."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from clipping.errors import ClippingError
from preprocess.audio import mel_bands, mfcc
from preprocess.settings import FeatureSettings

RATE = 22050
SHORT = FeatureSettings(window=3.0)


def _speech(t: np.ndarray) -> np.ndarray:
    """Voiced syllables (harmonics of a moving pitch) with pauses and a little hiss."""
    pitch = np.cumsum(140 + 30 * np.sin(2 * np.pi * 0.7 * t)) / RATE
    voice = sum(np.sin(2 * np.pi * k * pitch) / k for k in range(1, 20))
    hiss = np.random.default_rng(1).normal(0, 1e-3, t.size)
    return 0.2 * voice * (np.sin(2 * np.pi * 2.5 * t) > -0.3) + hiss


SOUNDS = {
    "silence": lambda t: np.zeros_like(t),
    "tone": lambda t: np.sin(2 * np.pi * 440 * t),
    "quiet tone": lambda t: 1e-4 * np.sin(2 * np.pi * 440 * t),
    "16-bit tone": lambda t: np.round(9830 * np.sin(2 * np.pi * 1000 * t)) / 32768,
    "sweep": lambda t: np.sin(2 * np.pi * (50 * t + 1500 * t * t)),
    "noise": lambda t: np.random.default_rng(0).normal(0, 0.1, t.size),
    "hiss": lambda t: np.random.default_rng(0).normal(0, 1e-5, t.size),
    "clipped": lambda t: np.clip(3 * np.sin(2 * np.pi * 300 * t), -1, 1),
    "click": lambda t: np.where(np.arange(t.size) == t.size // 2, 1.0, 0.0),
    "speech": _speech,
    "silence, then noise": lambda t: np.where(
        t < 1, 0, np.random.default_rng(2).normal(size=t.size)
    ),
}


def _sound(name: str, samples: int = 3 * RATE) -> np.ndarray:
    return SOUNDS[name](np.arange(samples) / RATE).astype(np.float32)


@pytest.mark.parametrize("name", SOUNDS)
def test_every_kind_of_sound_gives_what_librosa_gives(name):
    import librosa

    samples = _sound(name)
    ours = mfcc(samples, SHORT)
    theirs = librosa.feature.mfcc(y=samples, sr=RATE)
    columns = theirs.shape[1]
    assert ours.dtype == np.float32
    assert ours.shape == (20, SHORT.columns)
    assert columns == 1 + samples.size // 512
    np.testing.assert_allclose(ours[:, :columns], theirs, rtol=0, atol=1e-3)
    assert not ours[:, columns:].any()


@pytest.mark.parametrize("samples", [1, 100, 511, 512, 2047, 2048, 2049, 40_000])
def test_short_sound_gives_what_librosa_gives_and_zeros_to_its_right(samples):
    import librosa

    sound = _sound("noise", samples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # librosa finds the sound too short for one column
        theirs = librosa.feature.mfcc(y=sound, sr=RATE)
    ours = mfcc(sound, SHORT)
    np.testing.assert_allclose(ours[:, : theirs.shape[1]], theirs, rtol=0, atol=1e-3)
    assert not ours[:, theirs.shape[1] :].any()


def test_a_window_of_200_s_has_8616_columns():
    settings = FeatureSettings()
    made = mfcc(_sound("speech", 200 * RATE), settings)
    assert made.shape == (20, 8616)
    assert made[:, :8614].any(axis=0).all()
    assert not made[:, 8614:].any(), "librosa makes 8614 columns of 200 s; two are zeros"


def test_no_sound_gives_zeros():
    assert not mfcc(np.zeros(0, np.float32), SHORT).any()


@pytest.mark.parametrize("samples", [700, 3 * RATE])
def test_librosa_itself_can_be_chosen(samples):
    sound = _sound("speech", samples)
    theirs = mfcc(sound, replace(SHORT, mfcc_engine="librosa"))
    np.testing.assert_allclose(mfcc(sound, SHORT), theirs, rtol=0, atol=1e-3)


def test_a_missing_librosa_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "librosa", None)
    with pytest.raises(ClippingError, match=r"pip install 'avtnet\[librosa\]'"):
        mfcc(_sound("tone"), replace(SHORT, mfcc_engine="librosa"))


def test_the_result_does_not_hang_on_where_blocks_end():
    settings = FeatureSettings(window=60.0)
    sound = _sound("noise", 60 * RATE)  # 2584 columns: three blocks
    import librosa

    theirs = librosa.feature.mfcc(y=sound, sr=RATE)
    made = mfcc(sound, settings)[:, : theirs.shape[1]]
    np.testing.assert_allclose(made, theirs, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("rate", "n_fft"), [(22050, 2048), (16000, 512), (48000, 4096)])
def test_mel_bands_are_librosas(rate, n_fft):
    import librosa

    theirs = librosa.filters.mel(sr=rate, n_fft=n_fft)
    np.testing.assert_allclose(mel_bands(rate, n_fft), theirs, rtol=1e-5, atol=1e-9)


def test_other_settings_follow_librosa_too():
    import librosa

    settings = FeatureSettings(window=3, sample_rate=16000, n_mfcc=13, n_fft=1024, hop_samples=160)
    sound = np.random.default_rng(3).normal(0, 0.1, 48000).astype(np.float32)
    theirs = librosa.feature.mfcc(y=sound, sr=16000, n_mfcc=13, n_fft=1024, hop_length=160)
    made = mfcc(sound, settings)[:, : theirs.shape[1]]
    np.testing.assert_allclose(made, theirs, rtol=0, atol=1e-3)


def test_the_number_of_threads_changes_nothing():
    """A matrix product is rounded otherwise on more threads; machines are to agree on every bit."""
    from threadpoolctl import threadpool_limits

    samples = np.random.default_rng(5).normal(0, 0.1, 22050 * 30).astype(np.float32)
    made = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            made.append(mfcc(samples, FeatureSettings(window=30.0)))
    assert (made[0] == made[1]).all()
    assert (made[0] == made[2]).all()
