"""Speech-like sound without words, and noises: source-filter synthesis of vowels.

A periodic source at the voice's pitch passes through resonances at the formants of vowels (Fant,
Acoustic Theory of Speech Production, 1960); noise stands for consonants and breath.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from avtnet.synthesis.music import (
    SAMPLE_RATE,
    TABLE_SAMPLES,
    VOWELS,
    Sound,
    resonances,
    shaped_noise,
    wavetable,
)

NOISE_SECONDS = 6
AMBIENCES = {
    "room": (80, 400),
    "wind": (60, 700),
    "street": (150, 2500),
    "rain": (1500, 9000),
    "night": (3500, 5000),
}  # Hz


@dataclass(frozen=True)
class Voice:
    """Properties of a voice."""

    pitch: float
    """Hz."""
    mouth: float
    """Ratio of this voice's formants to those of a man."""
    syllables_per_second: float
    breath: float
    """Share of noise in the voice."""
    seed: int


def draw_voice(rng: np.random.Generator) -> Voice:
    """Draw the voice of a man, a woman or a child."""
    pitch = float(np.exp(rng.uniform(np.log(90), np.log(330))))
    mouth = 0.92 + 0.3 * (pitch - 90) / 240 + rng.normal(0, 0.03)
    return Voice(
        pitch, mouth, rng.uniform(4.5, 8), rng.uniform(0.02, 0.15), int(rng.integers(2**31))
    )


class Cast:
    """The voices of a series: waveforms of their vowels, and noise for their consonants."""

    def __init__(self, voices: tuple[Voice, ...], rng: np.random.Generator) -> None:
        self.voices = voices
        self._tables = [_vowel_tables(voice) for voice in voices]
        self._hiss = shaped_noise(4 * SAMPLE_RATE, 2500, 9000, rng)

    def say(self, who: int, seconds: float, rng: np.random.Generator) -> Sound:
        """Return an utterance of about ``seconds``; root mean square about 0.1."""
        voice = self.voices[who]
        lengths = rng.gamma(6, 1 / 6, max(2, round(seconds * voice.syllables_per_second)))
        lengths = lengths * SAMPLE_RATE / voice.syllables_per_second
        edges = np.concatenate([[0], np.cumsum(np.clip(lengths, 1200, 12000))]).astype(int)
        samples, syllables = edges[-1], len(lengths)
        # Pitch wanders from syllable to syllable and sinks towards the end.
        tune = np.linspace(1.12, 0.85, syllables + 1) * np.exp(rng.normal(0, 0.08, syllables + 1))
        hertz = np.interp(np.arange(samples), edges, tune * voice.pitch)
        period = (np.cumsum(hertz) * (TABLE_SAMPLES / SAMPLE_RATE)).astype(np.int32)
        counts = np.diff(edges)
        vowel = np.repeat(rng.integers(0, len(VOWELS), syllables), counts)
        sound = self._tables[who][vowel, period & (TABLE_SAMPLES - 1)]
        place = (np.arange(samples) - np.repeat(edges[:-1], counts)) / np.repeat(counts, counts)
        stress = np.repeat(rng.uniform(0.5, 1.0, syllables), counts)
        # Every syllable opens with a consonant: a gap in the voice, often with a hiss in it.
        opening = np.repeat(rng.uniform(0.1, 0.35, syllables), counts)
        voiced = np.clip((place - opening) * 8, 0, 1) * np.clip((1 - place) * 6, 0, 1)
        loud = np.repeat(rng.choice([0.0, 0.15, 0.5], syllables), counts)
        hissing = loud * np.clip(place * 12, 0, 1) * np.clip((opening + 0.05 - place) * 12, 0, 1)
        first = rng.integers(0, len(self._hiss))
        hiss = np.resize(np.roll(self._hiss, -first), samples)
        talk = sound * (voiced * stress) + hiss * (hissing + voice.breath * voiced)
        return (talk * (0.1 / (np.sqrt(np.mean(talk**2)) + 1e-9))).astype(np.float32)


def ambience(samples: int, rng: np.random.Generator) -> Sound:
    """Return the quiet noise of a place, with an amplitude of 1/100 to 1/30."""
    low, high = AMBIENCES[str(rng.choice(list(AMBIENCES)))]
    noise = shaped_noise(NOISE_SECONDS * SAMPLE_RATE, low, high, rng)
    level = np.float32(np.exp(rng.uniform(np.log(0.004), np.log(0.05))))
    return np.resize(noise * level, samples)


def effect(rng: np.random.Generator) -> Sound:
    """A blow, a whoosh, steps: up to two seconds."""
    kind = rng.choice(["blow", "whoosh", "steps"])
    if kind == "blow":
        samples = round(rng.uniform(0.3, 1.2) * SAMPLE_RATE)
        fall: Any = np.exp(-np.arange(samples, dtype=np.float32) / np.float32(samples / 6))
        return 0.6 * fall * shaped_noise(samples, 40, rng.uniform(300, 3000), rng)
    if kind == "whoosh":
        samples = round(rng.uniform(0.3, 0.9) * SAMPLE_RATE)
        return 0.4 * np.hanning(samples).astype(np.float32) * shaped_noise(samples, 800, 5000, rng)
    step = shaped_noise(1500, 100, 2000, rng) * np.linspace(1, 0, 1500, dtype=np.float32) ** 3
    sound = np.zeros(2 * SAMPLE_RATE, np.float32)
    for k in range(4):
        at = round(k * rng.uniform(0.35, 0.5) * SAMPLE_RATE)
        sound[at : at + len(step)] += 0.3 * step
    return sound


def _vowel_tables(voice: Voice) -> Sound:
    """One period of every vowel: (vowels, TABLE_SAMPLES)."""
    rng = np.random.default_rng(voice.seed)
    overtones = voice.pitch * np.arange(1, int(8000 / voice.pitch))
    return np.stack(
        [
            wavetable(resonances(overtones, tuple(voice.mouth * f for f in formants)), rng)
            for formants in VOWELS.values()
        ]
    )
