"""Ends on a change of the picture, where the episodes agree on one."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np

from avtnet.repetition import Repetition
from avtnet.roles import Claim
from clipping.errors import ClippingError
from clipping.shots import changes

REACH = 0.5
"""Seconds that an end is moved at most."""
_SAMPLED = 5
"""Occurrences of an identity whose pictures are looked at."""
_LIKE = 0.07
"""Seconds within which their changes agree: a frame at 24 per second, and a little."""
_NEAR = 0.02
"""Seconds not worth a move."""


def snap(claims: Sequence[Claim], heard: Repetition) -> list[Claim]:
    """The claims, their ends moved to the change of the picture that all have there.

    A song may begin softly a little behind its picture, or die away before it. The distance from
    the sound's end to the nearest change is measured in up to five episodes; where most have the
    same one (to 0.07 s, two at least), all ends of the identity are moved by it.
    """
    members: dict[tuple[int, str], list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.occurrence.by == "sound" and claim.place == claim.occurrence.place:
            members[claim.identity, claim.role].append(claim)
    moved = list(claims)
    for group in members.values():
        for side in ("start", "end"):
            distance = _distance(group, side, heard)
            if distance is None:
                continue
            for claim in group:
                number = next(i for i, each in enumerate(moved) if _same(each, claim))
                moved[number] = _moved(moved[number], side, distance, heard)
    return moved


Side = Literal["start", "end"]


def _same(moved: Claim, claim: Claim) -> bool:
    return moved.occurrence is claim.occurrence and moved.role == claim.role


def _distance(group: Sequence[Claim], side: Side | str, heard: Repetition) -> float | None:
    """Seconds from the ends of the sound to the change that most episodes have there."""
    spread = np.linspace(0, len(group) - 1, min(_SAMPLED, len(group))).round().astype(int)
    found: list[list[float]] = []
    for claim in (group[number] for number in dict.fromkeys(spread.tolist())):
        at = getattr(claim.place, side)
        duration = heard.durations[claim.place.file]
        try:
            near = changes(
                heard.paths[claim.place.file], max(0.0, at - REACH), min(duration, at + REACH)
            )
        except ClippingError:
            continue
        found.append([change.time - at for change in near])
    if len(found) < 2:
        return None
    candidates = sorted((abs(each), each) for distances in found for each in distances)
    for _, candidate in candidates:
        backed = [
            min(distances, key=lambda each: abs(each - candidate))
            for distances in found
            if any(abs(each - candidate) <= _LIKE for each in distances)
        ]
        if len(backed) >= 2 and 2 * len(backed) > len(found):
            return float(np.median(backed))
    return None


def _moved(claim: Claim, side: str, distance: float, heard: Repetition) -> Claim:
    if abs(distance) < _NEAR:
        return claim
    at = min(max(0.0, getattr(claim.place, side) + distance), heard.durations[claim.place.file])
    start, end = (at, claim.place.end) if side == "start" else (claim.place.start, at)
    if end <= start:
        return claim
    place = dataclasses.replace(claim.place, start=start, end=end)
    told = f"its {side} moved by {distance:+.2f} s to the change of the picture there"
    return dataclasses.replace(claim, place=place, reasons=(*claim.reasons, told))
