"""The sound of an episode: each part has its own kind of sound, cut at the boundary's sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avtnet.synthesis.music import SAMPLE_RATE, Song, Sound, draw_song, play
from avtnet.synthesis.script import EPISODE, PART, SERIES, Manner, Script, ScriptPart, stream
from avtnet.synthesis.speech import Cast, Voice, ambience, draw_voice, effect

EDGE_SAMPLES = 110
"""Samples (5 ms) of the fade at each end of a part, so that cuts do not click."""


@dataclass(frozen=True)
class Score:
    """The sounds of a series: its songs and the voices of its characters."""

    opening: Song
    ending: Song
    underscore: tuple[Song, ...]
    insert: Song
    jingle: Song
    voices: tuple[Voice, ...]


def draw_score(seed: int, series: int) -> Score:
    """Draw the sounds of a series."""
    rng = stream(seed, SERIES, series, 0)
    return Score(
        opening=draw_song("opening", rng),
        ending=draw_song("ending", rng),
        underscore=tuple(draw_song("score", rng) for _ in range(3)),
        insert=draw_song("ending", rng),
        jingle=draw_song("jingle", rng),
        voices=tuple(draw_voice(rng) for _ in range(5)),
    )


def soundtrack(script: Script, score: Score, seed: int) -> Sound:
    """Return the sound of the whole episode, mono float32 in -1..1."""
    cast = Cast(score.voices, stream(seed, EPISODE, script.index, PART))
    tracks = []
    for number, part in enumerate(script.parts):
        rng = stream(seed, EPISODE, script.index, PART, number, 0)
        samples = _sample(part.end_frame, script.rate) - _sample(part.start_frame, script.rate)
        track = _play_part(part, samples, script, score, cast, rng).copy()
        edge = min(EDGE_SAMPLES, samples // 2)
        ramp = np.linspace(0, 1, edge, dtype=np.float32)
        track[:edge] *= ramp
        track[samples - edge :] *= ramp[::-1]
        tracks.append(track)
    sound = np.concatenate(tracks) * np.float32(10 ** (script.manner.gain_db / 20))
    return np.clip(sound, -1, 1)


def _sample(frame: int, rate: int) -> int:
    """Return the first sample that sounds while a frame is shown."""
    return round(frame * SAMPLE_RATE / rate)


def _play_part(
    part: ScriptPart,
    samples: int,
    script: Script,
    score: Score,
    cast: Cast,
    rng: np.random.Generator,
) -> Sound:
    if part.kind == "opening":
        head = _sample(part.cut_head, script.rate)
        return play(score.opening, head + samples)[head:]
    if part.kind == "ending":
        return play(score.ending, samples)
    if part.kind == "eyecatch":
        return play(score.jingle, samples)
    if part.kind == "story":
        return _story(samples, script.manner, score, cast, rng)
    speech = _conversation(samples, cast, (0,), script.manner, rng)
    if part.kind == "title":
        return speech if rng.random() < 0.5 else 0.6 * play(score.underscore[0], samples)
    return speech + 0.35 * play(score.jingle, samples)  # sponsor, preview: a voice over music


def _story(
    samples: int, manner: Manner, score: Score, cast: Cast, rng: np.random.Generator
) -> Sound:
    """Scenes of 12 to 50 s: noise of a place, speech, effects, sometimes quiet music."""
    scenes: list[Sound] = []
    left = samples
    song_at = rng.integers(3) if manner.insert_song else -1
    while left > 0:
        size = min(left, round(rng.uniform(12, 50) * SAMPLE_RATE))
        if left - size < 5 * SAMPLE_RATE:
            size = left
        scene = ambience(size, rng)
        if len(scenes) == song_at:
            scene = scene + 0.7 * play(score.insert, size)
        elif rng.random() < 0.4:
            song = score.underscore[rng.integers(len(score.underscore))]
            scene = scene + np.float32(rng.uniform(0.1, 0.45)) * play(song, size)
        if rng.random() < 0.85:
            people = tuple(rng.choice(len(score.voices), rng.integers(1, 4), replace=False))
            scene = scene + _conversation(size, cast, people, manner, rng)
        for _ in range(rng.poisson(size / SAMPLE_RATE / 12)):
            noise = effect(rng)
            at = int(rng.integers(size))
            noise = noise[: size - at] * np.float32(rng.uniform(0.2, 1))
            scene[at : at + len(noise)] += noise
        scenes.append(scene)
        left -= size
    return np.concatenate(scenes)


def _conversation(
    samples: int, cast: Cast, people: tuple[int, ...], manner: Manner, rng: np.random.Generator
) -> Sound:
    """Utterances of the voices in turn, with pauses, some of them long."""
    sound = np.zeros(samples, np.float32)
    gain = np.float32(10 ** (manner.speech_db / 20))
    at = round(rng.uniform(0.1, 1.5) * SAMPLE_RATE)
    while at < samples:
        seconds = min(rng.gamma(2, 0.9) + 0.4, 6.0)
        talk = cast.say(people[rng.integers(len(people))], seconds, rng)[: samples - at]
        sound[at : at + len(talk)] += gain * talk
        pause = rng.uniform(2, 6) if rng.random() < 0.12 else rng.gamma(1.5, 0.3)
        at += len(talk) + round(pause * SAMPLE_RATE)
    return sound
