"""What the pictures of a season share, where its sounds tell nothing.

Decoding pictures costs many times what sound costs. So only the places are looked at in which an
opening or an ending is missing: all of a silent episode, the first part of one without an opening,
the last part of one without an ending.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from avtnet.season.cached import cached, match_rows, matches_of
from avtnet.season.repetition import Progress, Repetition, as_matches, pairs_of, quiet
from avtnet.season.roles import Claim, assign_roles
from clipping.errors import ClippingError
from clipping.kept.cache import Cache
from clipping.repeats.file_fingerprint import FileFingerprint, SharedSettings
from clipping.repeats.identities import Match, group_matches
from clipping.repeats.shared import compare
from clipping.segments import Role

SHORTEST = 15.0
"""Seconds of pictures that are no chance: backgrounds are drawn once and used again."""
_HEAD = (0.45, 600.0)
"""Share of an episode, and seconds at most, in which an opening is looked for."""
_TAIL = (0.35, 420.0)
_DONORS = 3
"""Episodes with the opening or ending that one without is compared with."""
_ABOUT = 1.0
_SIDES: tuple[Role, ...] = ("opening", "ending")


def compare_pictures(
    repetition: Repetition,
    claims: Sequence[Claim],
    cache: Cache,
    *,
    always: bool = False,
    progress: Progress = quiet,
) -> list[Claim]:
    """The claims, and those that pictures add; ``repetition`` learns the new matches.

    Args:
        always: compare all pictures of all episodes.
    """
    jobs = list(_everything(repetition) if always else _missing(repetition, claims))
    seen = _Looker(repetition, cache)
    for done, job in enumerate(jobs, 1):
        repetition.matches += _shared(job, seen, repetition, cache)
        progress("looking", done, len(jobs))
    if not jobs:
        return list(claims)
    repetition.gathered = group_matches(repetition.matches, repetition.durations)
    return assign_roles(repetition.gathered, repetition.durations)


_Job = tuple[tuple[int, SharedSettings], tuple[int, SharedSettings]]


def _shared(job: _Job, seen: _Looker, repetition: Repetition, cache: Cache) -> list[Match]:
    """What the pictures of two regions share, as far as the cache does not know it."""
    (a, settings_a), (b, settings_b) = job

    def compared() -> list[list[Any]]:
        prints_a, prints_b = seen(a, settings_a), seen(b, settings_b)
        if prints_a is None or prints_b is None:
            return []
        settings = SharedSettings(shortest=SHORTEST, by="picture")
        return match_rows(as_matches(a, b, compare(prints_a, prints_b, settings)))

    key = [SHORTEST, *([each.region_start, each.region_end] for each in (settings_a, settings_b))]
    try:
        paths = repetition.paths[a], repetition.paths[b]
        return matches_of(a, b, cached(cache, paths, "pictures", key, compared))
    except ClippingError:
        return []


def _region(start: float, end: float) -> SharedSettings:
    """Whole seconds, so that what was looked at once is found again in the cache; from 0 on."""
    first, last = float(max(0, int(start))), float(int(end))
    return SharedSettings(shortest=SHORTEST, by="picture", region_start=first, region_end=last)


def _everything(repetition: Repetition) -> Iterator[_Job]:
    for a, b in pairs_of(sorted(repetition.durations)):
        yield (
            (a, _region(0, repetition.durations[a] + 1)),
            (b, _region(0, repetition.durations[b] + 1)),
        )


def _missing(repetition: Repetition, claims: Sequence[Claim]) -> Iterator[_Job]:
    for role in _SIDES:
        having = [claim for claim in claims if claim.role == role]
        files = {claim.place.file for claim in having}
        lacking = [number for number in sorted(repetition.durations) if number not in files]
        regions = {number: _where(repetition, number, role) for number in lacking}
        having.sort(key=lambda claim: (-claim.chance, claim.place.file))
        for number in lacking:
            for claim in _donors(having, number):
                about = _region(claim.place.start - _ABOUT, claim.place.end + 1 + _ABOUT)
                yield (number, regions[number]), (claim.place.file, about)
        for a, b in pairs_of(lacking):
            yield (a, regions[a]), (b, regions[b])


def _where(repetition: Repetition, number: int, role: Role) -> SharedSettings:
    duration = repetition.durations[number]
    if number in repetition.silent:
        return _region(0, duration + 1)
    if role == "opening":
        return _region(0, min(_HEAD[0] * duration, _HEAD[1]) + 1)
    return _region(duration - min(_TAIL[0] * duration, _TAIL[1]), duration + 1)


def _donors(having: Sequence[Claim], number: int) -> list[Claim]:
    """One claim of each identity first, those of near episodes before far ones."""
    near = sorted(having, key=lambda claim: abs(claim.place.file - number))
    first: dict[int, Claim] = {}
    for claim in near:
        first.setdefault(claim.identity, claim)
    others = [claim for claim in near if claim not in first.values()]
    return [*first.values(), *others][:_DONORS]


class _Looker:
    """The picture prints of files, each looked at once."""

    def __init__(self, repetition: Repetition, cache: Cache) -> None:
        self._repetition, self._cache = repetition, cache
        self._made: dict[tuple[int, float, float | None], FileFingerprint | None] = {}

    def __call__(self, number: int, settings: SharedSettings) -> FileFingerprint | None:
        """None where there is no picture, or none that can be decoded."""
        key = number, settings.region_start, settings.region_end
        if key not in self._made:
            try:
                self._made[key] = self._cache.fingerprint(self._repetition.paths[number], settings)
            except ClippingError:
                self._made[key] = None
        return self._made[key]
