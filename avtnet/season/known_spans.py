"""Candidates from outside the season: a person's corrections, and the theme library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from avtnet.evidence import Candidate
from avtnet.season.repetition import Repetition, example_of
from clipping.errors import ClippingError
from clipping.kept.cache import Cache
from clipping.kept.corrections import Correction, corrections_of
from clipping.kept.edits import take_edits
from clipping.kept.theme_file import Theme
from clipping.kept.themes import find_themes, library_folder, read_library
from clipping.repeats.file_fingerprint import SharedSettings
from clipping.repeats.identities import Occurrence, Stretch
from clipping.repeats.shared import compare
from clipping.segments import Role, format_time

_ROLES: tuple[Role, ...] = get_args(Role)
_SHARE = 0.5
"""Smallest share of a corrected span that another episode must hold to have it too."""
_TRUST = {"correction": 0.97, "theme": 0.95}
"""Probability that a span found by a sibling's correction, or by a theme, is right."""
_WHOLE = 0.98
"""Smallest share of a theme that counts as all of it."""
_SIGMA = {True: 0.03, False: 0.3}
"""Standard deviation of an end in seconds: True if it was placed to the sample, else False."""


@dataclass
class KnownSpans:
    """Known spans of a season: candidates, denied roles and problems, by the number of the file."""

    candidates: dict[int, list[Candidate]] = field(default_factory=dict)
    denied: dict[int, frozenset[str]] = field(default_factory=dict)
    """Labels of each file that a person has decided; other sources are not asked about them."""
    problems: dict[int, str] = field(default_factory=dict)
    """Corrections and edited files that cannot be read, as messages; nothing may overwrite them."""

    def add(self, number: int, candidate: Candidate) -> None:
        """Add a candidate of a file."""
        self.candidates.setdefault(number, []).append(candidate)


def apply_known_spans(
    files: Sequence[Path],
    repetition: Repetition,
    cache: Cache,
    themes: Sequence[Theme],
    settings: SharedSettings,
    *,
    written: Sequence[Path],
) -> KnownSpans:
    """Return what corrections, edited files and themes say of the readable files of a season.

    A person's correction decides its label in its own file. Its sound is then looked for in the
    other episodes, however short it is and wherever it lies.

    Args:
        themes: of the library; each is looked for in every file.
        written: path of our JSON about each file, there or not; a person may have edited it.
    """
    known = KnownSpans()
    corrected: list[tuple[int, Correction]] = []
    for number in repetition.durations:
        try:
            take_edits(files[number], cache, written[number])
            corrections = corrections_of(files[number], cache)
        except ClippingError as error:
            known.problems[number] = str(error)
            continue
        _settle(known, number, corrections)
        corrected += [(number, one) for one in corrections if one.start is not None]
    for number, correction in corrected:
        _spread(known, number, correction, repetition, settings)
    if themes:
        for number, fingerprint in repetition.fingerprints.items():
            for found in find_themes(fingerprint, themes, settings):
                if found.theme.role not in _ROLES:
                    continue
                reason = f'the theme "{found.theme.name}" of the library'
                if found.share < _WHOLE:
                    reason += f", {found.share:.0%} of it"
                known.add(
                    number,
                    Candidate(
                        "themes",
                        _role(found.theme.role),
                        found.start,
                        found.end,
                        _SIGMA[found.exact],
                        _TRUST["theme"] * (0.6 + 0.4 * found.share),
                        (reason,),
                    ),
                )
    return known


def _role(label: str) -> Role:
    return next(role for role in _ROLES if role == label)


def _settle(known: KnownSpans, number: int, corrections: Sequence[Correction]) -> None:
    """Take a file's corrections as settled: no other source counts for their labels."""
    known.denied[number] = frozenset(one.label for one in corrections)
    for one in corrections:
        if one.start is None or one.end is None or one.label not in _ROLES:
            continue  # "there is none" denies the label and adds no candidate
        role, reason = _role(one.label), f"said by hand ({one.by}, {one.when[:10]})"
        known.add(
            number,
            Candidate("correction", role, one.start, one.end, 0.05, 1.0, (reason,), settled=True),
        )


def _spread(
    known: KnownSpans,
    number: int,
    correction: Correction,
    repetition: Repetition,
    settings: SharedSettings,
) -> None:
    """Look for the sound of a corrected span in the other files, and add it where it is found."""
    if correction.start is None or correction.end is None or correction.label not in _ROLES:
        return
    source = repetition.fingerprints.get(number)
    if source is None:
        return
    place = Stretch(number, correction.start, correction.end)
    example = example_of(source, Occurrence(place, (), 1.0, True, "sound"), margin=0.0)
    shortest = max(2.0, _SHARE * place.seconds)
    for other, fingerprint in repetition.fingerprints.items():
        if other == number or correction.label in known.denied.get(other, frozenset()):
            continue
        found = compare(example, fingerprint, replace(settings, shortest=shortest))
        if not found:
            continue
        best = max(found, key=lambda each: each.a.segment.duration * each.score)
        start = max(0.0, correction.start + best.offset)
        end = min(repetition.durations[other], correction.end + best.offset)
        if end - start < shortest:
            continue
        reason = (
            f"the same as {format_time(place.start)}-{format_time(place.end)} of "
            f"{repetition.paths[number].name}, which was said by hand"
        )
        known.add(
            other,
            Candidate(
                "correction of a sibling",
                _role(correction.label),
                start,
                end,
                _SIGMA[best.exact],
                _TRUST["correction"],
                (reason,),
            ),
        )


def library(folder: Path | None) -> tuple[list[Theme], list[str]]:
    """Return the themes of a library and messages about files that are none.

    Args:
        folder: of the library; None: the user's own.
    """
    return read_library(folder if folder is not None else library_folder())
