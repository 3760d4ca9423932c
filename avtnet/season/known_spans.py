"""What people said of a season's files, and what the theme library knows of them."""

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
"""Of a corrected span that another episode must hold, to have it too."""
_TRUST = {"correction": 0.97, "theme": 0.95}
_WHOLE = 0.98
"""Of a theme from which all of it is there."""
_SIGMA = {True: 0.03, False: 0.3}
"""By whether a span was placed to the sample."""


@dataclass
class Hints:
    """Candidates, and denied roles, by the number of the file."""

    candidates: dict[int, list[Candidate]] = field(default_factory=dict)
    denied: dict[int, frozenset[str]] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    """What a person said and could not be understood; nothing may be written over it."""

    def add(self, number: int, candidate: Candidate) -> None:
        """One more candidate of a file."""
        self.candidates.setdefault(number, []).append(candidate)


def apply_known_spans(
    files: Sequence[Path],
    repetition: Repetition,
    cache: Cache,
    themes: Sequence[Theme],
    settings: SharedSettings,
    *,
    written: Sequence[Path],
) -> Hints:
    """Everything that is known of the readable files of a season besides themselves.

    A person's correction settles its own file. What stands there is looked for in the other
    episodes, however short it is and wherever it lies.

    Args:
        themes: of the library; each is looked for in every file.
        written: where our JSON about each file is, if it was written; a person may have edited it.
    """
    hints = Hints()
    corrected: list[tuple[int, Correction]] = []
    for number in repetition.durations:
        try:
            take_edits(files[number], cache, written[number])
            said = corrections_of(files[number], cache)
        except ClippingError as error:
            hints.problems[number] = str(error)
            continue
        _settle(hints, number, said)
        corrected += [(number, one) for one in said if one.start is not None]
    for number, correction in corrected:
        _spread(hints, number, correction, repetition, settings)
    if themes:
        for number, fingerprint in repetition.fingerprints.items():
            for found in find_themes(fingerprint, themes, settings):
                if found.theme.role not in _ROLES:
                    continue
                told = f'the theme "{found.theme.name}" of the library'
                if found.share < _WHOLE:
                    told += f", {found.share:.0%} of it"
                hints.add(
                    number,
                    Candidate(
                        "themes",
                        _role(found.theme.role),
                        found.start,
                        found.end,
                        _SIGMA[found.exact],
                        _TRUST["theme"] * (0.6 + 0.4 * found.share),
                        (told,),
                    ),
                )
    return hints


def _role(label: str) -> Role:
    return next(role for role in _ROLES if role == label)


def _settle(hints: Hints, number: int, said: Sequence[Correction]) -> None:
    """What was said of a file counts alone for its labels."""
    hints.denied[number] = frozenset(one.label for one in said)
    for one in said:
        if one.start is None or one.end is None or one.label not in _ROLES:
            continue
        told = f"said by hand ({one.by}, {one.when[:10]})"
        hints.add(
            number,
            Candidate(
                "correction", _role(one.label), one.start, one.end, 0.05, 1.0, (told,), settled=True
            ),
        )


def _spread(
    hints: Hints,
    number: int,
    correction: Correction,
    repetition: Repetition,
    settings: SharedSettings,
) -> None:
    """Look for a corrected span in the other files."""
    if correction.start is None or correction.end is None or correction.label not in _ROLES:
        return
    source = repetition.fingerprints.get(number)
    if source is None:
        return
    place = Stretch(number, correction.start, correction.end)
    example = example_of(source, Occurrence(place, (), 1.0, True, "sound"), margin=0.0)
    shortest = max(2.0, _SHARE * place.seconds)
    for other, fingerprint in repetition.fingerprints.items():
        if other == number or correction.label in hints.denied.get(other, frozenset()):
            continue
        found = compare(example, fingerprint, replace(settings, shortest=shortest))
        if not found:
            continue
        best = max(found, key=lambda each: each.a.segment.duration * each.score)
        start = max(0.0, correction.start + best.offset)
        end = min(repetition.durations[other], correction.end + best.offset)
        if end - start < shortest:
            continue
        told = (
            f"the same as {format_time(place.start)}-{format_time(place.end)} of "
            f"{repetition.paths[number].name}, which was said by hand"
        )
        hints.add(
            other,
            Candidate(
                "correction of a sibling",
                _role(correction.label),
                start,
                end,
                _SIGMA[best.exact],
                _TRUST["correction"],
                (told,),
            ),
        )


def library(folder: Path | None) -> tuple[list[Theme], list[str]]:
    """The themes of a library, the user's where none is named; and what is wrong with some."""
    return read_library(folder if folder is not None else library_folder())
