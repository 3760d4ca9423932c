"""The sound of a varied episode: real or made-up music and voices, mixed in wide ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from avtnet.synthesis.material import Material, music, utterance
from avtnet.synthesis.music import SAMPLE_RATE, Sound, draw_song, play, sing
from avtnet.synthesis.outline import OutlineStretch
from avtnet.synthesis.speech import Cast, ambience, draw_voice, effect
from clipping.errors import MediaError

PENTATONIC = (0, 2, 4, 7, 9, 12, 14)


@dataclass(frozen=True)
class Mix:
    """Gains and shares of the sounds of an episode."""

    speech_gain: float
    score_gain: float
    """Gain of music under the story."""
    score_share: float
    """Share of the story's scenes with music."""
    dialogue: float
    """Share of the story's scenes with dialogue."""
    ambience_gain: float
    song_gain: float
    real_voices: bool


def draw_mix(rng: np.random.Generator) -> Mix:
    """Draw a mix, from one with much speech to one of music alone."""
    dialogue = rng.choice([rng.uniform(0.7, 1.0), rng.uniform(0.0, 0.7)], p=[0.8, 0.2])
    return Mix(
        speech_gain=float(10 ** (rng.uniform(-10, 4) / 20)),
        score_gain=float(10 ** (rng.uniform(-26, -1) / 20)),
        score_share=float(rng.uniform(0, 1)),
        dialogue=float(dialogue),
        ambience_gain=float(rng.choice([0.0, 1.0, 2.0], p=[0.2, 0.6, 0.2])),
        song_gain=float(10 ** (rng.uniform(-7, 3) / 20)),
        real_voices=bool(rng.random() < 0.65),
    )


class Mixer:
    """Plays the stretches of an episode; songs depend only on seeds, so all episodes share them."""

    def __init__(self, series_seed: int, mix: Mix, material: Material) -> None:
        rng = np.random.default_rng([series_seed, 4])
        self._series, self.mix, self._material = series_seed, mix, material
        self._cast = Cast(tuple(draw_voice(rng) for _ in range(4)), rng)

    def play(self, stretch: OutlineStretch, first: int, last: int) -> Sound:
        """Return the samples ``[first, last)`` of a stretch."""
        return PLAYERS[stretch.kind](self, stretch, first, last)

    def _song(self, stretch: OutlineStretch, first: int, last: int) -> Sound:
        """An opening's or an ending's song."""
        whole = _samples(stretch.length + stretch.head)
        song = _theme(stretch.kind, stretch.seed, whole, self._material)
        head = _samples(stretch.head)
        sound = song[head + first : head + last].astype(np.float32) * np.float32(self.mix.song_gain)
        rng = np.random.default_rng([stretch.seed, 5])
        if stretch.kind == "ending" and rng.random() < 0.12:  # the story goes on under it
            sound += np.float32(0.7) * self._talk(stretch.seed, first + len(sound))[first:]
        return sound

    def _story(self, stretch: OutlineStretch, first: int, last: int) -> Sound:
        """Scenes of 8 to 60 s; only those in ``[first, last)`` are made."""
        rng = np.random.default_rng([stretch.seed, 6])
        sound = np.zeros(last - first, np.float32)
        whole, at, number = _samples(stretch.length), 0, 0
        while at < whole:
            end = min(whole, at + _samples(rng.uniform(8, 60)))
            if whole - end < _samples(4):
                end = whole
            if end > first and at < last:
                made = self._scene(end - at, stretch.seed, number)
                low, high = max(at, first), min(end, last)
                sound[low - first : high - first] = made[low - at : high - at]
            at, number = end, number + 1
        return sound

    def _scene(self, samples: int, seed: int, number: int) -> Sound:
        rng, mix = np.random.default_rng([seed, 7, number]), self.mix
        sound = ambience(samples, rng) * np.float32(mix.ambience_gain)
        talks = rng.random() < mix.dialogue
        if rng.random() < mix.score_share:
            gain = mix.score_gain if talks else min(1.2, mix.score_gain * rng.uniform(1, 6))
            sound += np.float32(gain) * _score(samples, rng, self._series, self._material)
        elif rng.random() < 0.04:  # a song in the story, like that of an opening
            sound += _song_part(samples, rng, self._material, "opening")
        if talks:
            sound += self._talk(int(rng.integers(2**31)), samples)
        for _ in range(rng.poisson(samples / SAMPLE_RATE / rng.choice([5, 15, 60]))):
            noise = effect(rng)
            at = int(rng.integers(samples))
            noise = noise[: samples - at] * np.float32(rng.uniform(0.1, 1))
            sound[at : at + len(noise)] += noise
        return sound

    def _talk(self, seed: int, samples: int) -> Sound:
        """Utterances in turn, with pauses."""
        rng, speakers = np.random.default_rng([seed, 8]), self._material.speakers
        real = self.mix.real_voices and bool(speakers)
        sound = np.zeros(samples, np.float32)
        quick = rng.uniform(0.2, 1.5)
        at = _samples(rng.uniform(0, 1.5))
        while at < samples:
            if real:
                lines = speakers[rng.integers(len(speakers))]
                try:
                    line = utterance(lines[rng.integers(len(lines))]).astype(np.float32)
                except MediaError:
                    continue
                line = _changed(line, rng)
            else:
                line = self._cast.say(int(rng.integers(4)), min(rng.gamma(2, 0.9) + 0.4, 6.0), rng)
            line = line[: samples - at] * np.float32(self.mix.speech_gain * rng.uniform(0.6, 1.2))
            sound[at : at + len(line)] += line
            pause = rng.uniform(2, 8) if rng.random() < 0.1 else rng.exponential(quick)
            at += len(line) + _samples(pause)
        return sound

    def _card(self, stretch: OutlineStretch, first: int, last: int) -> Sound:
        """A jingle, a voice over music, or nothing."""
        rng = np.random.default_rng([stretch.seed, 9])
        whole = _samples(stretch.length)
        kind = rng.random()
        sound = np.zeros(whole, np.float32)
        if kind < 0.7:
            part = "jingle" if stretch.kind != "preview" else "ending"
            sound += np.float32(rng.uniform(0.2, 1)) * _song_part(whole, rng, self._material, part)
        if stretch.kind in ("preview", "sponsor") or kind > 0.8:
            sound += self._talk(stretch.seed, whole)
        return sound[first:last]


PLAYERS: dict[str, Callable[[Mixer, OutlineStretch, int, int], Sound]] = {
    "opening": Mixer._song,
    "ending": Mixer._song,
    "story": Mixer._story,
    "recap": Mixer._story,
    "preview": Mixer._card,
    "title": Mixer._card,
    "sponsor": Mixer._card,
    "eyecatch": Mixer._card,
    "logo": Mixer._card,
    "warning": Mixer._card,
}


def master(sound: Sound, rng: np.random.Generator) -> Sound:
    """Set an episode's loudness; on some, remove treble as lossy codecs do, or add noise."""
    gain = np.float32(10 ** (rng.uniform(-14, 2) / 20))
    sound = np.tanh(sound * gain).astype(np.float32)
    if rng.random() < 0.5:
        sound = _without_treble(sound, rng.uniform(5000, 10500))
    if rng.random() < 0.3:
        noise = rng.standard_normal(len(sound), dtype=np.float32)
        sound += noise * np.float32(10 ** (rng.uniform(-80, -50) / 20))
    return sound


def _without_treble(sound: Sound, hertz: float) -> Sound:
    """Remove frequencies above ``hertz``, block by block."""
    size = 1 << 15
    if not len(sound):
        return sound
    blocks = np.pad(sound, (0, -len(sound) % size)).reshape(-1, size)
    spectrum = np.fft.rfft(blocks, axis=1)
    spectrum[:, int(hertz / SAMPLE_RATE * size) :] = 0
    return np.fft.irfft(spectrum, size, axis=1).astype(np.float32).ravel()[: len(sound)]


@lru_cache(maxsize=4)
def _theme(kind: str, seed: int, samples: int, material: Material) -> Sound:
    """The song of an opening or an ending: whole, with its own way to begin and to close."""
    rng = np.random.default_rng([seed, 10])
    song = _song_part(samples, rng, material, kind).copy()
    before = _samples(rng.uniform(0.05, 0.7)) if rng.random() < 0.3 else 0
    after = _samples(rng.uniform(0.1, 1.5)) if rng.random() < 0.5 else 0
    if before:
        song = np.concatenate([np.zeros(before, np.float32), song[: samples - before]])
    fade = _samples(rng.uniform(0.02, 0.1) if rng.random() < 0.5 else rng.uniform(0.5, 4))
    fade = min(fade, samples // 3)
    if after:
        song[samples - after :] = 0
    end = samples - after
    song[max(0, end - fade) : end] *= np.linspace(1, 0, min(fade, end), dtype=np.float32)
    return song


def _song_part(samples: int, rng: np.random.Generator, material: Material, kind: str) -> Sound:
    """Music in the foreground: a stretch of a real piece, or a made-up song."""
    found = _real(samples, rng, material) if rng.random() < 0.55 else None
    if found is None:
        return play(draw_song(kind, rng), samples)
    if kind != "jingle" and rng.random() < 0.6:
        found = found + np.float32(rng.uniform(0.3, 1.0)) * _vocals(samples, rng)
    return found * np.float32(rng.uniform(0.7, 1.4))


def _real(samples: int, rng: np.random.Generator, material: Material) -> Sound | None:
    """Part of a real piece of music, up to 15 % faster or slower; None where there is none."""
    if not material.music:
        return None
    try:
        piece = music(material.music[rng.integers(len(material.music))])
    except MediaError:
        return None
    speed = rng.uniform(0.85, 1.15)
    needed = int(samples * speed) + 2
    if len(piece) < needed:
        piece = np.tile(piece, needed // max(1, len(piece)) + 1)
    first = 0 if rng.random() < 0.4 else int(rng.integers(len(piece) - needed + 1))
    part = piece[first : first + needed].astype(np.float32)
    return _stretched(part, speed, samples)


def _stretched(part: Sound, speed: float, samples: int) -> Sound:
    at = np.arange(samples, dtype=np.float64) * speed
    return np.interp(at, np.arange(len(part)), part).astype(np.float32)


def _changed(speech: Sound, rng: np.random.Generator) -> Sound:
    """Return speech with another speed and pitch, as if by another speaker."""
    speed = rng.uniform(0.8, 1.3)
    return _stretched(speech, speed, int(len(speech) / speed))


def _vocals(samples: int, rng: np.random.Generator) -> Sound:
    """Somebody who sings without words, most of the time."""
    sound = np.zeros(samples, np.float32)
    root, beat = int(rng.integers(52, 68)), rng.uniform(0.25, 0.6)
    step, at = 2, _samples(rng.uniform(0, 12))
    while at < samples:
        beats = float(rng.choice([0.5, 1, 1, 2, 3]))
        if rng.random() < 0.82:
            size = _samples(round(beats * beat * 20) / 20)
            note = sing(str(rng.choice(list("aiueo"))), root + PENTATONIC[step], max(800, size))
            note = note[: samples - at]
            sound[at : at + len(note)] += np.float32(0.12) * note / np.float32(0.3)
        step = int(np.clip(step + rng.integers(-2, 3), 0, len(PENTATONIC) - 1))
        at += _samples(beats * beat)
    return np.float32(0.35) * sound


def _score(samples: int, rng: np.random.Generator, series: int, material: Material) -> Sound:
    """Background music; root mean square about 0.14."""
    found = _real(samples, rng, material) if rng.random() < 0.6 else None
    if found is not None:
        return found
    own = np.random.default_rng([series, 11, int(rng.integers(4))])
    kind = str(rng.choice(["score", "score", "ending", "opening"]))
    return play(draw_song(kind, own), samples)


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)
