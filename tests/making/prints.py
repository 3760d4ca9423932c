"""Seasons of which only what is compared is made: words and samples of chance, no files.

A season costs a quarter of a second, so that hundreds tell how often what is said is right. They
are harder than seasons are: every source errs somewhere. A third have music of the story's in
several episodes, some have no opening or no ending at all, or a card that always follows a song as
if it were its end, copies that are damaged, chapters of another cut, and networks that are right as
often as they say.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from avtnet.evidence import NETWORKS, Candidate, fuse_candidates
from avtnet.search.episodes import network_trust
from avtnet.season.repetition import ALL_PAIRS, SOUND, Repetition, as_matches
from avtnet.season.roles import assign_roles
from avtnet.season.speech import split_off_speech
from avtnet.season.stages import from_chapters, from_claim
from clipping.kept.cache import Cache
from clipping.media.probe import MediaInfo
from clipping.repeats.file_fingerprint import FileFingerprint
from clipping.repeats.fingerprint import (
    LAG_STEPS,
    SOUND_RATE,
    STEP_SAMPLES,
    WINDOW_SAMPLES,
    Fingerprint,
)
from clipping.repeats.identities import group_matches
from clipping.repeats.index import Index
from clipping.repeats.refine import RATE
from clipping.repeats.shared import compare
from clipping.segments import Segment

STEP = STEP_SAMPLES / SOUND_RATE
CENTRE = (LAG_STEPS * STEP_SAMPLES + WINDOW_SAMPLES) / 2 / SOUND_RATE
NETWORK_SIGMA = 1.5


@dataclass(frozen=True)
class Part:
    """A stretch of an episode."""

    seconds: float
    seed: int
    """What is heard: the same seed, the same sound."""
    label: str = ""
    begin: float = 0.0
    """Seconds into that sound."""


@dataclass(frozen=True, eq=False)
class MadeEpisode:
    """One file of a season, and what other sources say of it."""

    parts: tuple[Part, ...]
    noise: float
    """Of the samples, which have 0.2."""
    wrong_bits: float
    """Share of the words' bits that are damaged."""
    seed: int
    chapters: tuple[Segment, ...] = ()
    networks: tuple[Candidate, ...] = ()

    @property
    def duration(self) -> float:
        return sum(part.seconds for part in self.parts)

    @property
    def placed(self) -> list[tuple[float, Part]]:
        starts = np.cumsum([0.0, *(part.seconds for part in self.parts)])
        return list(zip(starts.tolist(), self.parts, strict=False))

    @property
    def truth(self) -> tuple[Segment, ...]:
        return tuple(
            Segment(at, at + part.seconds, part.label) for at, part in self.placed if part.label
        )

    def fingerprint(self, path: Path) -> FileFingerprint:
        rows = int((self.duration - 2 * CENTRE) / STEP)
        words = np.ones(rows, np.uint32)
        for at, part in self.placed:
            first = max(0, int(np.ceil((at - CENTRE) / STEP)))
            last = min(rows, int(np.ceil((at + part.seconds - CENTRE) / STEP)))
            if first < last:
                skip = round((CENTRE + first * STEP - at + part.begin) / STEP)
                words[first:last] = _words(part.seed, skip + last - first)[skip:]
        rng = np.random.default_rng(self.seed)
        words ^= _few_bits(rng, rows, self.wrong_bits)
        words[words == 0] = 1
        whole = Fingerprint(words[:, np.newaxis], STEP, CENTRE, "sound")
        return FileFingerprint(path, self.duration, Index(whole), None, self.read)

    def read(self, first: int, count: int) -> np.ndarray:
        """As a :data:`clipping.repeats.refine.Reader`."""
        samples = np.zeros(count, np.float32)
        for at, part in self.placed:
            begin = round(at * RATE)
            low, high = max(first, begin), min(first + count, begin + round(part.seconds * RATE))
            if low < high:
                skip = low - begin + round(part.begin * RATE)
                samples[low - first : high - first] = _samples(part.seed, skip, high - low)
        at = (7919 * self.seed + first) % (len(_NOISE) - count)
        return samples + np.float32(self.noise) * _NOISE[at : at + count]


_NOISE = np.random.default_rng(1).normal(size=60 * RATE).astype(np.float32)


def _few_bits(rng: np.random.Generator, rows: int, share: float) -> np.ndarray:
    bits = np.zeros(32 * rows, np.uint8)
    bits[rng.integers(0, 32 * rows, round(share * 32 * rows))] = 1
    return np.packbits(bits.reshape(-1, 32), axis=1).view("<u4")[:, 0].astype(np.uint32)


def _words(seed: int, rows: int) -> np.ndarray:
    """Each stands for some rows, with a few bits moved, as those of real sound."""
    rng = np.random.default_rng((seed, 1))
    slow = rng.integers(1, 1 << 32, 20_000, dtype=np.uint32)[: -(-rows // 4)].repeat(4)[:rows]
    return slow ^ _few_bits(np.random.default_rng((seed, 2)), 40_000, 0.03)[:rows]


def _samples(seed: int, first: int, count: int) -> np.ndarray:
    blocks = range(first // RATE, (first + count - 1) // RATE + 1)
    whole = np.concatenate([_second(seed, block) for block in blocks])
    skip = first - blocks.start * RATE
    return whole[skip : skip + count]


@lru_cache(maxsize=3000)
def _second(seed: int, block: int) -> np.ndarray:
    return np.random.default_rng((seed, 3, block)).normal(0, 0.2, RATE).astype(np.float32)


@dataclass
class _Plan:
    """What the episodes of a season have in common."""

    rng: np.random.Generator
    count: int
    seeds: int = 0
    parts: dict[str, Part | None] = field(default_factory=dict)

    def seed(self) -> int:
        self.seeds += 1
        return self.seeds

    def song(self, label: str) -> Part | None:
        if self.rng.random() < 0.15:
            return None
        usual = self.rng.random() < 0.8
        seconds = self.rng.normal(88, 2) if usual else self.rng.choice([22, 30, 45, 60, 130])
        return Part(float(seconds), self.seed(), label)


def make_plan(seed: int) -> list[MadeEpisode]:
    """The episodes of a season."""
    rng = np.random.default_rng((seed, 4))
    count = int(rng.choice([1, 2, 3, 4, 5], p=[0.2, 0.3, 0.2, 0.2, 0.1]))
    plan = _Plan(rng, count, seed * 1000)
    opening, ending = plan.song("opening"), plan.song("ending")
    card = Part(float(rng.uniform(3, 7)), plan.seed()) if rng.random() < 0.06 else None
    score = Part(float(rng.uniform(15, 60)), plan.seed()) if rng.random() < 0.35 else None
    episodes = []
    for _ in range(count):
        parts: list[Part] = []

        def story(low: float, high: float, into: list[Part] = parts) -> None:
            into.append(Part(float(rng.uniform(low, high)), plan.seed()))

        story(2, 60)
        if opening is not None and rng.random() < 0.92:
            parts += [opening, card] if card is not None else [opening]
        story(60, 110)
        if score is not None and rng.random() < 0.6:
            parts.append(score)
        story(100, 180)
        if ending is not None and rng.random() < 0.95:
            parts.append(ending)
        story(3, 25)
        damaged = rng.random() < 0.15
        made = MadeEpisode(
            tuple(parts),
            float(rng.uniform(0.02, 0.03) if damaged else rng.uniform(0, 0.02)),
            float(rng.uniform(0.1, 0.2) if damaged else rng.uniform(0, 0.05)),
            plan.seed(),
        )
        episodes.append(_with_others(made, rng))
    return episodes


def _with_others(made: MadeEpisode, rng: np.random.Generator) -> MadeEpisode:
    """Chapters, those of another cut among them, and networks that err as often as they say."""
    chapters: list[Segment] = []
    if made.truth and rng.random() < 0.12:
        off = 0.0 if rng.random() < 0.85 else float(rng.uniform(4, 15))
        for each in made.truth:
            jitter = rng.normal(0, 0.4, 2)
            title = "Opening" if each.label == "opening" else "Ending"
            begin = max(0.0, each.start + off + jitter[0])
            chapters.append(Segment(begin, each.end + off + jitter[1], title))
    networks = []
    for label, low, high in (("opening", 0.0, 0.4), ("ending", 0.6, 0.9)):
        true = next((each for each in made.truth if each.label == label), None)
        trust = float(rng.uniform(0.3, 0.95))
        if rng.random() < 0.5:
            continue
        if true is not None and rng.random() < trust:
            at, until = true.start + rng.normal(0, 0.5), true.end + rng.normal(0, 0.5)
        elif rng.random() < 0.5 or true is None:
            at = rng.uniform(low, high) * made.duration
            until = at + 88
        else:
            continue
        at, until = max(0.0, float(at)), min(made.duration, float(until))
        networks.append(Candidate(NETWORKS, label, at, until, NETWORK_SIGMA, trust))
    return MadeEpisode(
        made.parts,
        made.noise,
        made.wrong_bits,
        made.seed,
        tuple(chapters),
        tuple(networks),
    )


def locate_made(
    episodes: list[MadeEpisode], folder: Path, *, min_confidence: float = 0.3
) -> list[tuple[Segment, ...]]:
    """What is found of each episode: from prints to confidence by the program's own parts.

    Args:
        folder: for the files that stand for the episodes, and what is kept of them.
    """
    paths = tuple(folder / f"S01E{number:02d}.mkv" for number in range(len(episodes)))
    for path, made in zip(paths, episodes, strict=True):
        path.write_bytes(made.seed.to_bytes(8, "little"))
    assert len(episodes) <= ALL_PAIRS
    durations = {number: made.duration for number, made in enumerate(episodes)}
    repetition = Repetition(paths, durations)
    repetition.fingerprints = {
        number: made.fingerprint(path)
        for number, (made, path) in enumerate(zip(episodes, paths, strict=True))
    }
    for a in durations:
        for b in range(a):
            found = compare(repetition.fingerprints[b], repetition.fingerprints[a], SOUND)
            repetition.matches += as_matches(b, a, found)
    repetition.groups = group_matches(repetition.matches, durations)
    claims = assign_roles(repetition.groups, durations)
    claims = split_off_speech(claims, repetition, Cache(folder / "cache"))
    segments = []
    for number, made in enumerate(episodes):
        own = [from_claim(claim) for claim in claims if claim.place.file == number]
        info = MediaInfo(paths[number], "", made.duration, 0.0, 0, None, (), made.chapters, False)
        candidates = [*own, *from_chapters(info)]
        # As avtnet.localization asks them.
        if len(episodes) < 3 and not {"opening", "ending"} <= {each.role for each in candidates}:
            share = network_trust(len(episodes) - 1)
            candidates += [replace(each, trust=share * each.trust) for each in made.networks]
        segments.append(fuse_candidates(candidates, made.duration, min_confidence=min_confidence))
    return segments
