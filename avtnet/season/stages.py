"""One season, from its files to what every source says of each episode.

What episodes repeat is the strongest source. Chapters, a person's corrections and known themes are
the others here; the networks are asked by :mod:`avtnet.localization`, where they are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from avtnet.evidence import Candidate
from avtnet.season.known_spans import apply_known_spans
from avtnet.season.pictures import compare_pictures
from avtnet.season.repetition import SOUND, Progress, Repetition, listen, quiet
from avtnet.season.roles import Claim, assign_roles
from avtnet.season.snap import snap_ends
from avtnet.season.speech import split_off_speech
from clipping.errors import ClippingError
from clipping.formats.titles import role_of
from clipping.kept.cache import Cache
from clipping.kept.edits import written_json
from clipping.kept.theme_file import Theme
from clipping.media.probe import MediaInfo, probe
from clipping.segments import Role

_SIGMA = {"exact": 0.03, "picture": 0.08, "coarse": 0.3}
"""Standard deviation of an end that repetition tells, in seconds, by how it was placed."""
_NAMED = 6
"""Sibling episodes that the evidence names."""
_CHAPTER_SIGMA, _CHAPTER_TRUST = 0.6, 0.85
_CHAPTER_SECONDS = (5.0, 300.0)
"""What a chapter that is an opening or an ending lasts."""
_CHAPTER_ROLES: tuple[Role, ...] = ("opening", "ending", "recap", "preview", "mixed")


@dataclass(frozen=True)
class EpisodeFacts:
    """What is known of one episode before the sources are fused."""

    name: str
    path: Path
    duration: float = 0.0
    error: str | None = None
    candidates: tuple[Candidate, ...] = ()
    claims: tuple[Claim, ...] = ()
    """What repetition says, with the identities' numbers."""
    compared: int = 0
    """Other episodes that its sound or picture was compared with."""
    notes: tuple[str, ...] = ()
    denied: frozenset[str] = frozenset()
    """Roles of which a person has said where they are, or that there are none."""


@dataclass(frozen=True)
class SeasonOptions:
    """How a season is looked at."""

    audio: str | None = None
    """Language or number of the sound stream; None: the default one."""
    pictures: str = "auto"
    """``auto``: only where the sounds tell nothing; ``never``; ``always``."""
    workers: int | None = None
    written_to: Path | None = None
    """Folder to which the JSON of the episodes was written; None: beside the media."""


def season_candidates(
    files: Mapping[str, Path],
    cache: Cache,
    options: SeasonOptions | None = None,
    *,
    themes: Sequence[Theme] = (),
    progress: Progress = quiet,
) -> list[EpisodeFacts]:
    """What the episodes of a season say of each other, and what else is known of them.

    Args:
        files: paths by name, in the order of the episodes.
        themes: of the library; looked for in every file.
        progress: told of (what is being done, steps done, of so many).
    """
    options = options or SeasonOptions()
    paths = list(files.values())
    infos: dict[int, MediaInfo] = {}
    errors: dict[int, str] = {}
    for number, path in enumerate(paths):
        try:
            infos[number] = probe(path)
        except ClippingError as error:
            errors[number] = str(error)
    durations = {number: info.duration for number, info in infos.items() if info.duration > 0}
    settings = replace(SOUND, audio=options.audio)
    repetition, claims = Repetition(tuple(paths), durations), []
    if len(durations) > 1 or (durations and themes):
        repetition = listen(
            paths, durations, cache, settings, workers=options.workers, progress=progress
        )
    if len(durations) > 1:
        claims = assign_roles(repetition.gathered, durations)
        if options.pictures != "never":
            claims = compare_pictures(
                repetition, claims, cache, always=options.pictures == "always", progress=progress
            )
        claims = snap_ends(split_off_speech(claims, repetition, cache), repetition, cache)
    written = [written_json(path, name, options.written_to) for name, path in files.items()]
    hints = apply_known_spans(paths, repetition, cache, themes, settings, written=written)
    facts, names = [], list(files)
    for number, (name, path) in enumerate(files.items()):
        if number in errors:
            facts.append(EpisodeFacts(name, path, error=errors[number]))
            continue
        info = infos[number]
        own = tuple(claim for claim in claims if claim.place.file == number)
        candidates = [
            *hints.candidates.get(number, ()),
            *(from_claim(claim, names) for claim in own),
            *from_chapters(info),
        ]
        facts.append(
            EpisodeFacts(
                name,
                path,
                info.duration,
                hints.problems.get(number),
                tuple(candidates),
                own,
                max(0, len(durations) - 1) if number in durations else 0,
                (repetition.silent[number],) if number in repetition.silent else (),
                hints.denied.get(number, frozenset()),
            )
        )
    return facts


def from_claim(claim: Claim, names: Sequence[str] = ()) -> Candidate:
    """What repetition says.

    Args:
        names: of the episodes, by their numbers; the reasons then tell in which it is too.
    """
    occurrence = claim.occurrence
    how = "picture" if occurrence.by == "picture" else "exact" if occurrence.exact else "coarse"
    reasons = claim.reasons
    others = [names[number] for number in occurrence.seen_with if number < len(names)]
    if others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        sense = "seen" if occurrence.by == "picture" else "heard"
        reasons = (*reasons, f"{sense} too in {', '.join(others[:_NAMED])}{more}")
    return Candidate(
        "repetition",
        claim.role,
        claim.place.start,
        claim.place.end,
        _SIGMA[how],
        claim.chance,
        reasons,
    )


def from_chapters(info: MediaInfo) -> list[Candidate]:
    """What the chapters' titles say."""
    found = []
    for chapter in info.chapters:
        role = role_of(chapter.label)
        if role == "theme":
            early = (chapter.start + chapter.end) / 2 < info.duration / 2
            role = "opening" if early else "ending"
        if role not in _CHAPTER_ROLES:
            continue
        low, high = _CHAPTER_SECONDS
        usual = low <= chapter.duration <= high
        found.append(
            Candidate(
                "chapters",
                role,
                chapter.start,
                chapter.end,
                _CHAPTER_SIGMA,
                _CHAPTER_TRUST if usual else 0.3,
                (f'the chapter "{chapter.label}"',),
            )
        )
    return found
