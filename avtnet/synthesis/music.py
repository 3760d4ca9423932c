"""Songs: chords, bass, drums and a lead at a tempo, written by chance, played with wavetables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]
"""Mono samples in -1..1 at ``SAMPLE_RATE``."""

SAMPLE_RATE = 22_050
TABLE_SAMPLES = 2048
"""Samples of one period of a waveform."""

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
PROGRESSIONS = (
    (3, 4, 2, 5),
    (5, 3, 0, 4),
    (0, 4, 5, 3),
    (0, 5, 3, 4),
    (3, 4, 5, 5),
    (0, 2, 3, 4),
    (5, 4, 3, 4),
    (1, 4, 0, 5),
)  # degrees of the scale, one a bar
VOWELS = {
    "a": (800, 1200, 2600),
    "i": (300, 2300, 3000),
    "u": (350, 1300, 2400),
    "e": (500, 1900, 2600),
    "o": (480, 900, 2500),
}  # formants in Hz
RHYTHMS = (
    (1, 1, 1, 1),
    (1.5, 0.5, 1, 1),
    (0.5, 0.5, 1, 0.5, 0.5, 1),
    (2, 1, 1),
    (0.75, 0.75, 0.5, 1, 1),
    (1, 0.5, 0.5, 2),
    (0.5,) * 8,
    (3, 1),
)  # beats of the lead's notes in a bar of four


@dataclass(frozen=True)
class Song:
    """A piece of music that sounds the same whenever it is played."""

    beats_per_minute: float
    root: int
    """MIDI note of the key."""
    scale: tuple[int, ...]
    progression: tuple[int, ...]
    drums: float
    """Loudness of the drums; 0 is none."""
    lead: str
    """``voice``, ``synth`` or ``none``."""
    tilt: tuple[float, float, float]
    """Exponents by which the harmonics of chords, bass and lead fall: 1 is a sawtooth's, with 3 the
    tone is nearly a sine."""
    seed: int


def draw_song(kind: str, rng: np.random.Generator) -> Song:
    """A new ``opening``, ``ending``, ``score`` (quiet, under speech) or ``jingle``."""
    low, high = {
        "opening": (120, 185),
        "ending": (66, 118),
        "score": (50, 90),
        "jingle": (110, 170),
    }[kind]
    leads = {
        "opening": ("voice", "voice", "voice", "synth"),
        "ending": ("voice", "voice", "synth"),
        "score": ("none", "none", "synth"),
        "jingle": ("synth",),
    }[kind]
    drums = {"opening": (0.5, 1.0), "ending": (0.0, 0.6), "score": (0, 0), "jingle": (0.2, 0.7)}
    return Song(
        beats_per_minute=rng.uniform(low, high),
        root=int(rng.integers(43, 55)),
        scale=MINOR if rng.random() < 0.5 else MAJOR,
        progression=PROGRESSIONS[rng.integers(len(PROGRESSIONS))],
        drums=rng.uniform(*drums[kind]),
        lead=leads[rng.integers(len(leads))],
        tilt=(rng.uniform(1.0, 2.4), rng.uniform(1.0, 2.0), rng.uniform(0.8, 2.0)),
        seed=int(rng.integers(2**31)),
    )


@lru_cache(maxsize=6)
def play(song: Song, samples: int) -> Sound:
    """Return the song, composed to last ``samples``; it ends on its first chord.

    Mono float32, root mean square 0.14.
    """
    rng = np.random.default_rng(song.seed)
    beat = 60 / song.beats_per_minute * SAMPLE_RATE
    bars = max(1, round(samples / (4 * beat)))
    sound = np.zeros(samples + 8 * SAMPLE_RATE, np.float32)
    closing = (bars - 1) * 4 * beat if bars > 1 else 0.0
    melody = _write_melody(song, rng)
    chords = _instrument(song.tilt[0], rng)
    bass, lead = _instrument(song.tilt[1], rng), _instrument(song.tilt[2], rng)
    kit = _drum_kit()
    steps = _write_drums(rng)

    def put(at: float, note: Sound, gain: float) -> None:
        first = round(at)
        if first < samples:
            sound[first : first + len(note)] += note * np.float32(gain)

    for bar in range(bars):
        at = bar * 4 * beat
        last = at >= closing
        full = last or bar >= 4
        degree = song.progression[0 if last else bar % len(song.progression)]
        length = round(min(4 * beat if not last else samples - at, 6 * SAMPLE_RATE))
        for third in (0, 2, 4):
            put(at, chords(_pitch(song, degree + third) + 12, length, 0.4), 0.22)
        for k in range(1 if last or not full else 4):
            size = length if last else round(beat)
            put(at + k * beat, bass(_pitch(song, degree) - 12, size, 1.5), 0.45)
        if last:
            put(at, kit["crash"], song.drums)
            continue
        if song.drums and full:
            for name, hits in steps.items():
                for k in hits:
                    put(at + k * beat / 4, kit[name], song.drums)
            if bar % 8 == 4:
                put(at, kit["crash"], song.drums * 0.6)
        if song.lead != "none" and bar >= 2:
            for start, beats, step, vowel in melody[(bar // 8) % 2][bar % 4]:
                pitch = _pitch(song, degree + step) + 12
                size = round(beats * beat * 0.95)
                note = sing(vowel, pitch, size) if song.lead == "voice" else lead(pitch, size, 1.0)
                put(at + start * beat, note, 0.55)
    sound = sound[:samples]
    loudness = float(np.sqrt(np.mean(np.square(sound)))) + 1e-9
    played: Sound = np.tanh(sound * np.float32(0.14 / loudness))
    played.setflags(write=False)
    return played


def wavetable(harmonics: NDArray[np.floating], rng: np.random.Generator) -> Sound:
    """One period with these amplitudes of its harmonics, peak 1."""
    spectrum = np.zeros(TABLE_SAMPLES // 2 + 1, complex)
    turns = rng.uniform(0, 2 * np.pi, len(harmonics))
    spectrum[1 : len(harmonics) + 1] = harmonics * np.exp(1j * turns)
    period = np.fft.irfft(spectrum)
    return (period / (np.abs(period).max() + 1e-12)).astype(np.float32)


def resonances(
    frequencies: NDArray[np.floating], formants: tuple[float, ...]
) -> NDArray[np.floating]:
    """Return the gain that formants (resonances of the mouth, in Hz) give to frequencies."""
    peaks = [1 / (1 + ((frequencies - f) / (60 + 0.06 * f)) ** 2) for f in formants]
    return (np.sum(peaks, axis=0) + 0.01) / np.sqrt(frequencies)


def shaped_noise(samples: int, low: float, high: float, rng: np.random.Generator) -> Sound:
    """Return noise between two frequencies in Hz that repeats without a click; peak 1."""
    frequencies = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    gain = 1 / (1 + (frequencies / high) ** 4) / (1 + (low / (frequencies + 1)) ** 4)
    spectrum = np.fft.rfft(rng.standard_normal(samples, dtype=np.float32)) * gain
    noise = np.fft.irfft(spectrum, samples)
    return (noise / np.abs(noise).max()).astype(np.float32)


@lru_cache(maxsize=256)
def sing(vowel: str, pitch: int, samples: int) -> Sound:
    """A sung vowel with vibrato."""
    frequency = _hertz(pitch)
    overtones = frequency * np.arange(1, max(2, int(9000 / frequency)))
    table = wavetable(resonances(overtones, VOWELS[vowel]), np.random.default_rng(pitch))
    seconds = np.arange(samples, dtype=np.float32) / SAMPLE_RATE
    phase = seconds * frequency + 0.012 * frequency / 5.5 * (1 - np.cos(35 * seconds)) / 6.28
    return _look_up(table, phase) * _envelope(samples, 0.03, 0.3)


def _look_up(table: Sound, turns: NDArray[np.floating]) -> Sound:
    return table[(turns * TABLE_SAMPLES).astype(np.int32) & (TABLE_SAMPLES - 1)]


def _instrument(tilt: float, rng: np.random.Generator) -> Callable[[int, int, float], Sound]:
    """A player of single notes: (MIDI pitch, samples, decay in 1/s) → sound."""
    odd_only = rng.random() < 0.3
    attack: Any = rng.choice([0.003, 0.01, 0.04])
    numbers = np.arange(1, 15)
    harmonics = numbers**-tilt * np.where(odd_only & (numbers % 2 == 0), 0.1, 1.0)
    table = wavetable(harmonics, rng)
    detune = rng.choice([0.0, 0.003])

    @cache
    def note(pitch: int, samples: int, decay: float) -> Sound:
        turns = np.arange(samples, dtype=np.float32) * np.float32(_hertz(pitch) / SAMPLE_RATE)
        sound: Sound = _look_up(table, turns)
        if detune:
            sound = (sound + _look_up(table, turns * np.float32(1 + detune))) / np.float32(2)
        return sound * _envelope(samples, attack, decay)

    return note


def _envelope(samples: int, attack: float, decay: float) -> Sound:
    """Rise in ``attack`` seconds, fall by e in 1/``decay`` seconds, no click at the end."""
    seconds = np.arange(samples, dtype=np.float32) / np.float32(SAMPLE_RATE)
    envelope = np.exp(seconds * np.float32(-decay))
    ramp = min(samples // 2, round(attack * SAMPLE_RATE))
    envelope[:ramp] *= np.linspace(0, 1, ramp, dtype=np.float32)
    release = min(samples // 3, 400)
    envelope[samples - release :] *= np.linspace(1, 0, release, dtype=np.float32)
    return envelope


def _hertz(pitch: float) -> float:
    return 440.0 * 2 ** ((pitch - 69) / 12)


def _pitch(song: Song, degree: int) -> int:
    octave, step = divmod(degree, len(song.scale))
    return song.root + 12 * octave + song.scale[step]


Bar = list[tuple[float, float, int, str]]
"""Notes of the lead: (beat, beats, steps above the chord's root, vowel)."""


def _write_melody(song: Song, rng: np.random.Generator) -> list[list[Bar]]:
    """Two phrases (verse and chorus) of four bars."""
    phrases = []
    for lift in (0, 2):
        rhythms = [RHYTHMS[rng.integers(len(RHYTHMS))] for _ in range(2)]
        phrase: list[Bar] = []
        for bar in range(4):
            start, step = 0.0, int(rng.choice([0, 2, 4])) + lift
            notes: Bar = []
            for beats in rhythms[bar % 2]:
                if rng.random() < 0.88:
                    notes.append((start, beats, step, str(rng.choice(list(VOWELS)))))
                step = int(np.clip(step + rng.integers(-2, 3), -1, 8))
                start += beats
            phrase.append(notes)
        phrases.append(phrase)
    return phrases


def _write_drums(rng: np.random.Generator) -> dict[str, list[int]]:
    """Draw the sixteenths of a bar on which each drum is hit."""
    kicks = [0, 4, 8, 12] if rng.random() < 0.5 else [0, 6, 8, int(rng.choice([10, 14]))]
    return {
        "kick": kicks,
        "snare": [4, 12],
        "hat": list(range(0, 16, int(rng.choice([2, 2, 4])))),
    }


@cache
def _drum_kit() -> dict[str, Sound]:
    rng = np.random.default_rng(0)

    def decaying(seconds: float, rate: float) -> Sound:
        return _envelope(round(seconds * SAMPLE_RATE), 0.001, rate)

    kick, snare, hat, crash = (
        decaying(0.2, 18),
        decaying(0.18, 22),
        decaying(0.05, 70),
        decaying(1.6, 2.5),
    )
    time = np.arange(len(kick)) / SAMPLE_RATE
    sweep = np.sin(2 * np.pi * (50 * time + 110 / 30 * (1 - np.exp(-30 * time))))
    return {
        "kick": (0.9 * sweep * kick).astype(np.float32),
        "snare": 0.5 * shaped_noise(len(snare), 400, 7000, rng) * snare,
        "hat": 0.25 * shaped_noise(len(hat), 6000, 11000, rng) * hat,
        "crash": 0.5 * shaped_noise(len(crash), 3000, 11000, rng) * crash,
    }
