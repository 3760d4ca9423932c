"""Where story goes on over a repeated song: told apart by what is left when the songs are
subtracted from each other."""

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
"""Other episodes that a song is held against."""
_TALK = 0.3
"""Share of the energy that is not the song's, from which an end of it is the story's."""
_SOFT_TALK = 0.05
"""The same inside a song whose pictures are not its siblings' either: talk at -13 dB."""
_MIXED = 0.6
"""Share of a song with soft talk over it, from which it is a song over story."""
_LOOKS = 9
"""Moments of a song at which its pictures are compared."""
_OTHER_BITS = 18.0
"""Of 64, in which two pictures differ that are not the same."""
_SHORTEST_PART = 5.0
"""Seconds of talk at an end of a song that are the story's."""
_CLEAN = 0.01
_TO_THE_END = 3.0
"""Seconds before a file's end up to which something lasts to it."""
_PREVIEW_CHANCE = 0.9
_SMOOTH = 2.0
"""Seconds: words have pauses."""


def split_off_speech(claims: Sequence[Claim], repetition: Repetition, cache: Cache) -> list[Claim]:
    """Openings and endings with talk over them: mixed, or shorter by the part that is story's.

    Talk is what none of the siblings has at that place. Where all of a season's episodes talk over
    their song, it is mixed in all. What is talked over between an ending and the end of the file
    is the preview of the next episode.
    """
    parted: list[Claim] = []
    for claim in claims:
        if claim.role in ("opening", "ending") and claim.occurrence.by == "sound":
            parted += _parted(claim, repetition, cache)
        else:
            parted.append(claim)
    return without_score(parted)


def without_score(claims: Sequence[Claim]) -> list[Claim]:
    """Without the one song over story that is nowhere else an opening, an ending, or such a song:
    then it is music of the story's, in an episode that has no opening or ending of its own."""
    themes = Counter(
        claim.identity for claim in claims if claim.role in ("opening", "ending", "mixed")
    )
    return [claim for claim in claims if claim.role != "mixed" or themes[claim.identity] > 1]


def _parted(claim: Claim, repetition: Repetition, cache: Cache) -> list[Claim]:
    left = left_by_siblings(claim, repetition, cache)
    if left is None:
        return [claim]
    soft = float(_smoothed(left > _SOFT_TALK).mean())
    if soft >= _MIXED and _other_pictures(claim, repetition):
        told = f"talk over {soft:.0%} of it, under other pictures: a song over story"
        return [replace(claim, role="mixed", reasons=(*claim.reasons, told))]
    before, behind = _ends_with_talk(_smoothed(left > _TALK))
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
    """Whether the pictures of a song are none of its siblings'; so too where nobody has any."""
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
        shown = (rows[0][:, 0] != 0) & (rows[1][:, 0] != 0)
        wrong = differing(*rows)[shown]
        if len(wrong) >= _LOOKS // 2 and float(np.median(wrong)) < _OTHER_BITS:
            return False
    return True


def left_by_siblings(claim: Claim, repetition: Repetition, cache: Cache) -> np.ndarray | None:
    """For every ``STEP`` of a claim's place, the share of energy that no sibling explains, 0..1;
    None where that cannot be told."""
    curves = []
    count = int(claim.place.seconds / STEP)
    for match, swapped in _siblings(claim, repetition):
        here, there = (match.b, match.a) if swapped else (match.a, match.b)
        left = _left(here, there, repetition, cache)
        if left is None:
            continue
        curve = np.full(count, np.inf, np.float32)
        shift = round((here.start - claim.place.start) / STEP)
        first, last = max(0, shift), min(count, shift + len(left))
        part = left[first - shift : last - shift]
        curve[first:last] = np.where(np.isnan(part), 0.0, part)
        curves.append(curve)
        if np.isfinite(curve).all() and (curve > _SOFT_TALK).mean() <= _CLEAN:
            break  # one sibling with the bare song is enough
    if not curves:
        return None
    least = np.min(curves, axis=0)
    known = np.isfinite(least)
    if known.mean() < 0.5:
        return None
    least[~known] = 0.0
    return np.asarray(least)


def _left(here: Stretch, there: Stretch, repetition: Repetition, cache: Cache) -> np.ndarray | None:
    """:func:`clipping.repeats.residual.residual` of one match; None where it cannot be told."""
    read_here, read_there = (
        repetition.fingerprints[here.file].read,
        repetition.fingerprints[there.file].read,
    )
    if read_here is None or read_there is None:
        return None

    def subtracted() -> list[float]:
        placed = Placed(here.start, here.end, there.start, there.end, exact=True)
        left = residual(read_here, read_there, placed)
        # JSON has no NaN: silence in both is marked by -1, and "cannot be told" by nothing.
        return [] if left is None else np.nan_to_num(left, nan=-1.0).round(4).tolist()

    times = [round(time, 4) for each in (here, there) for time in (each.start, each.end)]
    key = [VERSION, *times]
    paths = repetition.paths[here.file], repetition.paths[there.file]
    try:
        values = cached(cache, paths, "left over", key, subtracted)
    except ClippingError:
        return None
    known = np.array(values, np.float32)
    return np.where(known < 0, np.float32(np.nan), known) if len(known) else None


def _siblings(claim: Claim, repetition: Repetition) -> list[tuple[Match, bool]]:
    """The matches that hold the claim's place against another file, the best first."""
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


def _smoothed(talk: np.ndarray) -> np.ndarray:
    """The majority within ``_SMOOTH`` seconds."""
    width = max(1, round(_SMOOTH / STEP)) | 1
    padded = np.pad(talk.astype(np.float32), width // 2, mode="edge")
    return np.convolve(padded, np.ones(width, np.float32) / width, mode="valid") > 0.5


def _ends_with_talk(talk: np.ndarray) -> tuple[float, float]:
    """Seconds at the beginning and at the end that are mostly talk."""
    evidence = np.where(talk, 1.0, -1.0)
    before = np.concatenate([[0.0], np.cumsum(evidence)])
    behind = np.concatenate([[0.0], np.cumsum(evidence[::-1])])
    return float(np.argmax(before)) * STEP, float(np.argmax(behind)) * STEP
