"""Find speech over a repeated song: the story goes on there, so it must not be skipped.

Two episodes hold the same song, sample by sample. Subtracting one from the other (scaled and
filtered, see :mod:`clipping.repeats.residual`) removes the song and leaves what only one of them
has: speech, effects. Energy that remains against *every* sibling belongs to this episode; what
remains against one sibling only may be that sibling's own speech.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from avtnet.season.cached import cached
from avtnet.season.repetition import Repetition
from avtnet.season.roles import SHORTEST_THEME, Claim
from clipping.errors import ClippingError
from clipping.kept.cache import Cache
from clipping.repeats.fingerprint import picture_words
from clipping.repeats.identities import Match, Stretch
from clipping.repeats.matching import differing
from clipping.repeats.refine import Placed
from clipping.repeats.residual import STEP, VERSION, residual

_SIBLINGS = 4
"""Most other episodes that a song is compared with."""
_SPEECH = 0.3
"""Smallest share of the energy left by the siblings that counts as speech at an end of a song."""
_SOFT_SPEECH = 0.05
"""The same inside a song whose pictures differ from its siblings': speech at -13 dB."""
_MIXED = 0.6
"""Smallest share of a song with soft speech over it that makes it a song over story."""
_LOOKS = 9
"""Moments of a song at which its pictures are compared."""
_OTHER_BITS = 18.0
"""Smallest number of different bits, of 64, between the fingerprints of two different pictures."""
_SHORTEST_PART = 5.0
"""Fewest seconds of speech at an end of a song that are left to the story."""
_CLEAN = 0.01
"""Largest share of a song with soft speech for which one sibling is enough."""
_TO_THE_END = 3.0
"""A song that ends at most so many seconds before the end of the file lasts to its end."""
_PREVIEW_CHANCE = 0.9
"""Factor on an ending's confidence for the preview that is split off it."""
_SMOOTH = 2.0
"""Seconds over which speech is averaged: words have pauses."""


def split_off_speech(claims: Sequence[Claim], repetition: Repetition, cache: Cache) -> list[Claim]:
    """Return the claims with speech split off: songs become shorter, or their role ``mixed``.

    Speech is energy that no sibling has at that moment of the song. A song with speech over most
    of it, under other pictures, is ``mixed``. Five seconds of speech or more at an end are left to
    the story; behind an ending, up to the end of the file, they are the preview of the next
    episode.
    """
    result: list[Claim] = []
    for claim in claims:
        if claim.role in ("opening", "ending") and claim.occurrence.by == "sound":
            result += _without_speech(claim, repetition, cache)
        else:
            result.append(claim)
    return without_score(result)


def without_score(claims: Sequence[Claim]) -> list[Claim]:
    """Drop a ``mixed`` song whose identity is no other episode's opening, ending or mixed song.

    Such a song is the story's own music (its score) in an episode without an opening or ending.
    """
    themes = Counter(
        claim.identity for claim in claims if claim.role in ("opening", "ending", "mixed")
    )
    return [claim for claim in claims if claim.role != "mixed" or themes[claim.identity] > 1]


def _without_speech(claim: Claim, repetition: Repetition, cache: Cache) -> list[Claim]:
    """Return what becomes of one opening or ending: itself, mixed, shorter, or with a preview."""
    left = left_by_siblings(claim, repetition, cache)
    if left is None:
        return [claim]
    # Soft speech alone does not decide: other pictures must confirm that the story goes on.
    soft = float(_smoothed(left > _SOFT_SPEECH).mean())
    if soft >= _MIXED and _other_pictures(claim, repetition):
        reason = f"talk over {soft:.0%} of it, under other pictures: a song over story"
        return [replace(claim, role="mixed", reasons=(*claim.reasons, reason))]
    before, behind = _ends_with_speech(_smoothed(left > _SPEECH))
    before = before if before >= _SHORTEST_PART else 0.0
    behind = behind if behind >= _SHORTEST_PART else 0.0
    start, end = claim.place.start + before, claim.place.end - behind
    if not (before or behind) or end - start < SHORTEST_THEME:
        return [claim]
    reasons = list(claim.reasons)
    if before:
        reasons.append(f"its first {before:.1f} s are repetition under talk: left to the story")
    if behind:
        reasons.append(f"its last {behind:.1f} s are repetition under talk: left to the story")
    place = replace(claim.place, start=start, end=end)
    parts = [replace(claim, place=place, reasons=tuple(reasons))]
    duration = repetition.durations[claim.place.file]
    lasts = end < duration <= claim.place.end + _TO_THE_END
    if behind and claim.role == "ending" and lasts:
        parts.append(
            replace(
                claim,
                role="preview",
                place=replace(claim.place, start=end, end=duration),
                chance=claim.chance * _PREVIEW_CHANCE,
                reasons=("talk over music that is repeated, from the ending to the end",),
            )
        )
    return parts


def _other_pictures(claim: Claim, repetition: Repetition) -> bool:
    """Return whether a song's pictures differ from those of all its siblings.

    True also if no sibling's pictures can be compared.
    """
    for match, swapped in _siblings(claim, repetition):
        here, there = (match.b, match.a) if swapped else (match.a, match.b)
        shares = (np.arange(_LOOKS) + 0.5) / _LOOKS
        try:
            rows = [
                picture_words(
                    repetition.paths[place.file], (place.start + shares * place.seconds).tolist()
                )
                for place in (here, there)
            ]
        except ClippingError:
            continue
        # A fingerprint of 0 stands for no picture, or for one without detail: it tells nothing.
        detailed = (rows[0][:, 0] != 0) & (rows[1][:, 0] != 0)
        bits = differing(*rows)[detailed]
        if len(bits) >= _LOOKS // 2 and float(np.median(bits)) < _OTHER_BITS:
            return False
    return True


def left_by_siblings(claim: Claim, repetition: Repetition, cache: Cache) -> np.ndarray | None:
    """Return the share of energy, 0..1, that no sibling explains, for every ``STEP`` of a claim.

    None if fewer than half of its seconds can be compared. Seconds that no sibling covers are 0.
    """
    curves = []
    count = int(claim.place.seconds / STEP)
    for match, swapped in _siblings(claim, repetition):
        here, there = (match.b, match.a) if swapped else (match.a, match.b)
        left = _left(here, there, repetition, cache)
        if left is None:
            continue
        # A match may cover only a part of the claim, or reach beyond it.
        curve = np.full(count, np.inf, np.float32)
        shift = round((here.start - claim.place.start) / STEP)
        first, last = max(0, shift), min(count, shift + len(left))
        part = left[first - shift : last - shift]
        curve[first:last] = np.where(np.isnan(part), 0.0, part)
        curves.append(curve)
        if np.isfinite(curve).all() and (curve > _SOFT_SPEECH).mean() <= _CLEAN:
            break  # this sibling explains all of the song: it has no speech of its own
    if not curves:
        return None
    # The minimum over siblings: energy that one of them explains is the song's.
    least = np.min(curves, axis=0)
    known = np.isfinite(least)
    if known.mean() < 0.5:
        return None
    least[~known] = 0.0
    return np.asarray(least)


def _left(here: Stretch, there: Stretch, repetition: Repetition, cache: Cache) -> np.ndarray | None:
    """Return :func:`clipping.repeats.residual.residual` of one match; None if it cannot be made."""
    read_here, read_there = (
        repetition.fingerprints[here.file].read,
        repetition.fingerprints[there.file].read,
    )
    if read_here is None or read_there is None:
        return None

    def subtracted() -> list[float]:
        placed = Placed(here.start, here.end, there.start, there.end, exact=True)
        left = residual(read_here, read_there, placed)
        # JSON has no NaN: -1 stands for silence in both, an empty list for "cannot be made".
        return [] if left is None else np.nan_to_num(left, nan=-1.0).round(4).tolist()

    times = [round(time, 4) for each in (here, there) for time in (each.start, each.end)]
    key = [VERSION, *times]
    paths = repetition.paths[here.file], repetition.paths[there.file]
    try:
        values = cached(cache, paths, "left over", key, subtracted)
    except ClippingError:
        return None
    curve = np.array(values, np.float32)
    return np.where(curve < 0, np.float32(np.nan), curve) if len(curve) else None


def _siblings(claim: Claim, repetition: Repetition) -> list[tuple[Match, bool]]:
    """Return the matches of a claim's place with other files, one a file, the best first.

    The second value is True if the claim's file is the match's ``b``.
    """
    found: dict[int, tuple[float, Match, bool]] = {}
    for match in repetition.matches_of(claim.place.file):
        for here, there, swapped in ((match.a, match.b, False), (match.b, match.a, True)):
            common = here.common(claim.place)
            if common < 0.7 * claim.place.seconds or not match.exact or match.by != "sound":
                continue
            best = found.get(there.file)
            if best is None or match.score > best[0]:
                found[there.file] = match.score, match, swapped
    ranked = sorted(found.values(), key=lambda each: -each[0])
    return [(match, swapped) for _, match, swapped in ranked[:_SIBLINGS]]


def _smoothed(speech: np.ndarray) -> np.ndarray:
    """Return the majority of a boolean curve within ``_SMOOTH`` seconds around each step."""
    width = max(1, round(_SMOOTH / STEP)) | 1  # odd, so that it has a middle
    padded = np.pad(speech.astype(np.float32), width // 2, mode="edge")
    return np.convolve(padded, np.ones(width, np.float32) / width, mode="valid") > 0.5


def _ends_with_speech(speech: np.ndarray) -> tuple[float, float]:
    """Return the seconds at the start and at the end of a song that are mostly speech.

    Each step with speech counts +1, each without -1. The running sum from an end is highest where
    the speech stops: short pauses lower it only a little, the bare song lowers it for good.
    """
    evidence = np.where(speech, 1.0, -1.0)
    before = np.concatenate([[0.0], np.cumsum(evidence)])
    behind = np.concatenate([[0.0], np.cumsum(evidence[::-1])])
    return float(np.argmax(before)) * STEP, float(np.argmax(behind)) * STEP
