"""Compare the pictures of a season's episodes where their sounds found no opening or ending.

Decoding pictures costs many times as much as decoding sound. So only the regions are decoded in
which an opening or an ending is missing: all of a silent episode, the first part of an episode
without an opening, the last part of an episode without an ending.
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
"""Seconds of the shortest shared pictures; shorter ones are backgrounds that are used again."""
_HEAD = (0.45, 600.0)
"""Share of an episode, and most seconds, from its start in which an opening is looked for."""
_TAIL = (0.35, 420.0)
"""Share of an episode, and most seconds, before its end in which an ending is looked for."""
_DONORS = 3
"""Number of known openings (or endings) with which an episode without one is compared."""
_ABOUT = 1.0
"""Seconds on both sides of such an opening that are compared too."""
_SIDES: tuple[Role, ...] = ("opening", "ending")


def compare_pictures(
    repetition: Repetition,
    claims: Sequence[Claim],
    cache: Cache,
    *,
    always: bool = False,
    progress: Progress = quiet,
) -> list[Claim]:
    """Return the claims with those that pictures add; the new matches go into ``repetition``.

    Args:
        always: compare all pictures of all episodes.
    """
    jobs = list(_everything(repetition) if always else _missing(repetition, claims))
    fingerprints = _PictureFingerprints(repetition, cache)
    for done, job in enumerate(jobs, 1):
        repetition.matches += _shared(job, fingerprints, repetition, cache)
        progress("looking", done, len(jobs))
    if not jobs:
        return list(claims)
    repetition.groups = group_matches(repetition.matches, repetition.durations)
    return assign_roles(repetition.groups, repetition.durations)


_Job = tuple[tuple[int, SharedSettings], tuple[int, SharedSettings]]
"""Two regions to compare, each as (file, settings that name its first and last second)."""


def _shared(
    job: _Job, fingerprints: _PictureFingerprints, repetition: Repetition, cache: Cache
) -> list[Match]:
    """Return the stretches that the pictures of two regions share; from the cache if known."""
    (a, settings_a), (b, settings_b) = job

    def compared() -> list[list[Any]]:
        fingerprint_a, fingerprint_b = fingerprints(a, settings_a), fingerprints(b, settings_b)
        if fingerprint_a is None or fingerprint_b is None:
            return []
        settings = SharedSettings(shortest=SHORTEST, by="picture")
        return match_rows(as_matches(a, b, compare(fingerprint_a, fingerprint_b, settings)))

    key = [SHORTEST, *([each.region_start, each.region_end] for each in (settings_a, settings_b))]
    try:
        paths = repetition.paths[a], repetition.paths[b]
        return matches_of(a, b, cached(cache, paths, "pictures", key, compared))
    except ClippingError:
        return []


def _region(start: float, end: float) -> SharedSettings:
    """Return a region in whole seconds, not below 0, which the cache then finds again."""
    first, last = float(max(0, int(start))), float(int(end))
    return SharedSettings(shortest=SHORTEST, by="picture", region_start=first, region_end=last)


def whole_file(duration: float) -> SharedSettings:
    """Return the settings of the prints of all pictures of a file of so many seconds."""
    return _region(0, duration + 1)


def _everything(repetition: Repetition) -> Iterator[_Job]:
    """Yield all pairs of files, each with all of its seconds."""
    for a, b in pairs_of(sorted(repetition.durations)):
        yield (
            (a, whole_file(repetition.durations[a])),
            (b, whole_file(repetition.durations[b])),
        )


def _missing(repetition: Repetition, claims: Sequence[Claim]) -> Iterator[_Job]:
    """Yield the pairs of regions that may show the openings and endings that are missing.

    An episode without one is compared with the known ones of other episodes, and with the other
    episodes that have none either.
    """
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
    """Return the region of an episode in which a role is searched for."""
    duration = repetition.durations[number]
    if number in repetition.silent:
        return whole_file(duration)
    if role == "opening":
        return _region(0, min(_HEAD[0] * duration, _HEAD[1]) + 1)
    return _region(duration - min(_TAIL[0] * duration, _TAIL[1]), duration + 1)


def _donors(having: Sequence[Claim], number: int) -> list[Claim]:
    """Return the claims to compare an episode with: one of each identity first, near ones first."""
    # Neighbours in the season most likely have the same opening. But one example of each other
    # opening comes before a second example of the same, as a season may have changed its song.
    near = sorted(having, key=lambda claim: abs(claim.place.file - number))
    first: dict[int, Claim] = {}
    for claim in near:
        first.setdefault(claim.identity, claim)
    others = [claim for claim in near if claim not in first.values()]
    return [*first.values(), *others][:_DONORS]


class _PictureFingerprints:
    """Picture fingerprints of regions of files, each made once."""

    def __init__(self, repetition: Repetition, cache: Cache) -> None:
        self._repetition, self._cache = repetition, cache
        self._made: dict[tuple[int, float, float | None], FileFingerprint | None] = {}

    def __call__(self, number: int, settings: SharedSettings) -> FileFingerprint | None:
        """Return the fingerprint of a region; None if it has no picture that can be decoded."""
        key = number, settings.region_start, settings.region_end
        if key not in self._made:
            try:
                self._made[key] = self._cache.fingerprint(self._repetition.paths[number], settings)
            except ClippingError:
                self._made[key] = None
        return self._made[key]
