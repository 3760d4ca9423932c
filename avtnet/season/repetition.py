"""Compare the sounds of a season's files: choose the pairs, and complete their matches.

All pairs of a small season are compared. In a large one each episode meets its neighbours at
growing distances, and then one example of everything that was found so: the work grows as
n log n, and a song is still found in every episode that has it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avtnet.season.cached import cached, match_rows, matches_of
from clipping.errors import ClippingError
from clipping.kept.cache import Cache
from clipping.repeats.file_fingerprint import FileFingerprint, SharedSettings
from clipping.repeats.fingerprint import Fingerprint
from clipping.repeats.identities import Match, MatchGroups, Occurrence, Stretch, group_matches
from clipping.repeats.index import Index
from clipping.repeats.shared import Shared, compare

SOUND = SharedSettings(shortest=5.0, by="sound")
"""Settings for the whole sound. Stretches too short for an opening show its neighbours (logos)."""
ALL_PAIRS = 12
"""Episodes up to which every pair is compared."""
MOST_SOUGHT = 24
"""Identities of a large season that are looked for in every episode, the greatest first: a season
has some themes, and as many recaps as episodes, which nobody else holds."""
_MARGIN = 1.0
"""Seconds about an example that are compared too, so that its ends can be refined."""

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, the steps done, and the steps in all."""


def quiet(what: str, done: int, total: int) -> None:
    """Report no progress."""


@dataclass
class Repetition:
    """The stretches that a season's files share; files are numbers in the order of the episodes."""

    paths: tuple[Path, ...]
    durations: dict[int, float] = field(default_factory=dict)
    """Seconds of the files that could be read."""
    fingerprints: Mapping[int, FileFingerprint] = field(default_factory=dict)
    matches: list[Match] = field(default_factory=list)
    groups: MatchGroups = field(default_factory=lambda: MatchGroups((), ()))
    silent: dict[int, str] = field(default_factory=dict)
    """Files without a sound that can be compared, and why."""
    _of_file: dict[int, list[Match]] = field(default_factory=dict)
    _sorted: int = 0

    def matches_of(self, file: int) -> list[Match]:
        """Return the matches of one file; all of them are too many to look through for each."""
        if self._sorted != len(self.matches):
            self._of_file, self._sorted = {}, len(self.matches)
            for match in self.matches:
                for number in {match.a.file, match.b.file}:
                    self._of_file.setdefault(number, []).append(match)
        return self._of_file.get(file, [])


def listen(
    paths: Sequence[Path],
    durations: Mapping[int, float],
    cache: Cache,
    settings: SharedSettings = SOUND,
    *,
    silent: Mapping[int, str] | None = None,
    fingerprint_cache: Cache | None = None,
    progress: Progress = quiet,
) -> Repetition:
    """Compare the sounds of a season's files, as far as the cache does not know the answer.

    Args:
        paths: the episodes, in their order.
        durations: seconds of those that can be read, by number.
        silent: files whose sound is not to be asked for, and why.
        fingerprint_cache: the cache in which their fingerprints
            are, if they were made in this run.
    """
    fingerprints: dict[int, FileFingerprint] = {}
    repetition = Repetition(tuple(paths), dict(durations), fingerprints, silent=dict(silent or {}))
    for done, number in enumerate(durations, 1):
        if number not in repetition.silent:
            try:
                fingerprints[number] = (fingerprint_cache or cache).fingerprint(
                    paths[number], settings
                )
            except ClippingError as error:
                repetition.silent[number] = str(error)
        progress("listening", done, len(durations))
    numbers = sorted(repetition.fingerprints)
    pairs = list(pairs_of(numbers))
    for done, (a, b) in enumerate(pairs, 1):
        repetition.matches += _matches(
            a, b, repetition.fingerprints[a], repetition.fingerprints[b], cache, settings
        )
        progress("comparing", done, len(pairs))
    repetition.groups = group_matches(repetition.matches, repetition.durations)
    if len(numbers) > ALL_PAIRS:
        _complete(repetition, cache, settings, progress)
    return repetition


def pairs_of(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the pairs to compare: all of a few files; of many those 1, 2, 3, 5, 8, 13 … apart."""
    if len(numbers) <= ALL_PAIRS:
        yield from itertools.combinations(numbers, 2)
        return
    for place, number in enumerate(numbers):
        near, far = 1, 2
        while place + near < len(numbers):
            yield number, numbers[place + near]
            near, far = far, near + far


def _matches(
    a: int,
    b: int,
    fingerprint_a: FileFingerprint,
    fingerprint_b: FileFingerprint,
    cache: Cache,
    settings: SharedSettings,
) -> list[Match]:
    found = cache.pair(fingerprint_a.path, fingerprint_b.path, settings)
    if found is None:
        try:
            found = compare(fingerprint_a, fingerprint_b, settings)
        except ClippingError:  # a file that went while we looked at it: it has no match
            return []
        cache.keep_pair(fingerprint_a.path, fingerprint_b.path, settings, found)
    return as_matches(a, b, found)


def as_matches(a: int, b: int, found: Iterable[Shared]) -> list[Match]:
    """Return what two files share as matches, by the files' numbers."""
    return [
        Match(
            Stretch(a, each.a.segment.start, each.a.segment.end),
            Stretch(b, each.b.segment.start, each.b.segment.end),
            each.score,
            each.exact,
            each.by,
        )
        for each in found
    ]


def _complete(
    repetition: Repetition, cache: Cache, settings: SharedSettings, progress: Progress
) -> None:
    """Look for one example of each great identity in the files that are not known to hold it."""
    identities = repetition.groups.identities[:MOST_SOUGHT]
    for done, identity in enumerate(identities, 1):
        holders = set(identity.files)
        example = max(identity.occurrences, key=lambda each: (len(each.seen_with), each.score))
        for number in repetition.fingerprints:
            if number not in holders:
                repetition.matches += _sought(example, number, repetition, cache, settings)
        progress("completing", done, len(identities))
    repetition.groups = group_matches(repetition.matches, repetition.durations)


def _sought(
    example: Occurrence, number: int, repetition: Repetition, cache: Cache, settings: SharedSettings
) -> list[Match]:
    """Compare a file with an example from another, as far as the cache does not know it."""
    home = example.place.file

    def compared() -> list[list[Any]]:
        part = example_of(repetition.fingerprints[home], example)
        found = compare(part, repetition.fingerprints[number], settings)
        return match_rows(as_matches(home, number, found))

    key = [round(example.place.start, 3), round(example.place.end, 3), settings.shortest]
    paths = repetition.paths[home], repetition.paths[number]
    try:
        return matches_of(home, number, cached(cache, paths, "example", key, compared))
    except ClippingError:  # a file that went while we looked at it
        return []


def example_of(
    fingerprint: FileFingerprint, occurrence: Occurrence, margin: float = _MARGIN
) -> FileFingerprint:
    """Return the fingerprints of a file as if it had nothing but one occurrence."""

    def part(index: Index | None) -> Index | None:
        if index is None:
            return None
        whole = index.fingerprint
        first = max(0, round((occurrence.place.start - margin - whole.centre) / whole.step))
        last = round((occurrence.place.end + margin - whole.centre) / whole.step)
        words = whole.words[first : max(first, last)]
        return Index(Fingerprint(words, whole.step, whole.time(first), whole.kind))

    return dataclasses.replace(
        fingerprint, sound=part(fingerprint.sound), picture=part(fingerprint.picture)
    )
