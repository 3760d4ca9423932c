"""Keep the findings of a season, so that an unchanged season costs next to nothing.

An entry is one JSON value of the cache. It is believed only for the very same files in the same
order, and for the very same code: a digest of the sources that worked it out is in it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import clipping
from avtnet.evidence import Candidate
from avtnet.season.roles import Claim
from clipping.errors import ClippingError
from clipping.kept.cache import Cache
from clipping.repeats.identities import Occurrence, Stretch

_SOURCES = (
    Path(__file__).parent,
    *(Path(clipping.__file__).parent / room for room in ("media", "repeats")),
)
"""Folders of the code on which the findings depend."""


@dataclass(frozen=True)
class Findings:
    """The facts that the files of a season tell by themselves, by their numbers in order."""

    durations: Mapping[int, float] = field(default_factory=dict)
    """Seconds of the files that could be read and have a length."""
    chapters: Mapping[int, tuple[Candidate, ...]] = field(default_factory=dict)
    """Candidates from chapters, of every file that could be read."""
    lengths: Mapping[int, float] = field(default_factory=dict)
    """Seconds of every file that could be read, 0 where its length is not known."""
    claims: tuple[Claim, ...] = ()
    silent: Mapping[int, str] = field(default_factory=dict)
    """Files without a sound that can be compared, and why."""
    errors: Mapping[int, str] = field(default_factory=dict)
    """Files that cannot be read, and why."""


def keep(paths: Sequence[Path], findings: Findings, cache: Cache, key: object) -> None:
    """Keep the findings of a season.

    Args:
        key: the settings on which they depend, as JSON values.
    """
    try:
        keys = _keys(paths, cache)
    except ClippingError:  # a file went while we looked at it
        return
    value = {
        "code": code_digest(),
        "keys": keys,
        "lengths": _by_number(findings.lengths),
        "chapters": [
            [number, *_candidate_row(each)]
            for number, candidates in sorted(findings.chapters.items())
            for each in candidates
        ],
        "silent": sorted(findings.silent),
        "unreadable": sorted(findings.errors),
        "claims": [_claim_row(claim) for claim in findings.claims],
    }
    cache.keep_season(paths[0], key, value)


def recall(paths: Sequence[Path], cache: Cache, key: object) -> Findings | None:
    """Return the findings that were kept of these files; None where they are others.

    Reasons of files that cannot be read, or heard, are not in it: ``errors`` and ``silent`` have
    empty ones, for the caller to see whether these files still are so.
    """
    value = cache.season(paths[0], key)
    if value is None:
        return None
    try:
        if value["code"] != code_digest() or value["keys"] != _keys(paths, cache):
            return None
        lengths = {int(number): float(seconds) for number, seconds in value["lengths"]}
        chapters: dict[int, tuple[Candidate, ...]] = dict.fromkeys(lengths, ())
        for number, *row in value["chapters"]:
            chapters[number] = (*chapters[number], _candidate(row))
        return Findings(
            {number: seconds for number, seconds in lengths.items() if seconds > 0},
            chapters,
            lengths,
            tuple(_claim(row) for row in value["claims"]),
            dict.fromkeys(map(int, value["silent"]), ""),
            dict.fromkeys(map(int, value["unreadable"]), ""),
        )
    except (ClippingError, ValueError, TypeError, KeyError):
        return None


@functools.cache
def code_digest() -> str:
    """Return a digest of the code that works out findings, and of the libraries that decode."""
    digest = hashlib.blake2b(digest_size=16)
    for folder in _SOURCES:
        for file in sorted(folder.glob("*.py")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    for library in ("av", "numpy"):
        digest.update(version(library).encode() + b"\0")
    return digest.hexdigest()


def _keys(paths: Sequence[Path], cache: Cache) -> list[str | None]:
    """Return the keys of the files' identities; None for one that cannot be opened."""
    keys: list[str | None] = []
    for path in paths:
        try:
            keys.append(cache.identity(path).key)
        except ClippingError:
            keys.append(None)
    return keys


def _by_number(values: Mapping[int, float]) -> list[list[float]]:
    return [[number, value] for number, value in sorted(values.items())]


def _candidate_row(each: Candidate) -> list[Any]:
    ends = [each.start, each.end]
    return [each.source, each.role, *ends, each.sigma, each.trust, list(each.reasons)]


def _candidate(row: Sequence[Any]) -> Candidate:
    source, role, start, end, sigma, trust, reasons = row
    return Candidate(source, role, start, end, sigma, trust, tuple(reasons))


def _claim_row(claim: Claim) -> list[Any]:
    of = claim.occurrence
    return [
        claim.role,
        *_place_row(claim.place),
        claim.identity,
        claim.chance,
        list(claim.reasons),
        *_place_row(of.place),
        _ranges(of.seen_with),
        of.score,
        of.exact,
        of.by,
        of.doubt,
    ]


def _claim(row: Sequence[Any]) -> Claim:
    role, file, start, end, identity, chance, reasons, *occurrence = row
    of_file, of_start, of_end, seen_with, score, exact, by, doubt = occurrence
    place = Stretch(of_file, of_start, of_end)
    of = Occurrence(place, tuple(_numbers(seen_with)), score, exact, by, doubt)
    return Claim(role, Stretch(file, start, end), identity, of, chance, tuple(reasons))


def _place_row(place: Stretch) -> list[Any]:
    return [place.file, place.start, place.end]


def _ranges(numbers: Sequence[int]) -> list[int]:
    """Return rising numbers as runs, first and last of each: a song is seen with nearly all."""
    runs: list[int] = []
    for number in numbers:
        if runs and number == runs[-1] + 1:
            runs[-1] = number
        else:
            runs += [number, number]
    return runs


def _numbers(runs: Sequence[int]) -> Iterator[int]:
    for first, last in zip(runs[::2], runs[1::2], strict=True):
        yield from range(first, last + 1)
