"""Take one season from its files to the candidates of each episode.

The strongest source is repetition between the episodes. The others here are chapters, a person's
corrections, and known themes; :mod:`avtnet.search.episodes` asks the networks where they are
needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from avtnet.evidence import Candidate
from avtnet.season import kept_season
from avtnet.season.kept_season import Findings
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
from clipping.repeats.file_fingerprint import FileFingerprint, SharedSettings
from clipping.segments import Role

_SIGMA = {"exact": 0.03, "picture": 0.08, "coarse": 0.3}
"""Standard deviation of an end found by repetition, in seconds, by how it was placed."""
_NAMED = 6
"""Sibling episodes that the evidence names."""
_CHAPTER_SIGMA, _CHAPTER_TRUST = 0.6, 0.85
_CHAPTER_SECONDS = (5.0, 300.0)
"""Shortest and longest chapter that is believed to be an opening or an ending."""
_CAREFUL = "the pictures of its season were left alone: workers died over them"
_CHAPTER_ROLES: tuple[Role, ...] = ("opening", "ending", "recap", "preview", "mixed")


@dataclass(frozen=True)
class EpisodeFacts:
    """The facts of one episode before the sources are fused."""

    name: str
    path: Path
    duration: float = 0.0
    error: str | None = None
    candidates: tuple[Candidate, ...] = ()
    claims: tuple[Claim, ...] = ()
    """The claims of repetition, with the identities' numbers."""
    compared: int = 0
    """Other episodes that its sound or picture was compared with."""
    notes: tuple[str, ...] = ()
    denied: frozenset[str] = frozenset()
    """Roles of which a person has said where they are, or that there are none."""


@dataclass(frozen=True)
class SeasonOptions:
    """The options of the comparison of a season."""

    audio: str | None = None
    """Language or number of the sound stream; None: the default one."""
    pictures: str = "auto"
    """``auto``: only if the sounds lack an opening or an ending; ``never``; ``always``."""
    written_to: Path | None = None
    """Folder to which the JSON of the episodes was written; None: next to the media."""
    careful: bool = False
    """Decode no picture: workers died over this season. The files' notes say so."""


class FingerprintsNeeded(Exception):
    """Kept facts of a season are not enough: the fingerprints have to be loaded or made."""


def season_candidates(
    files: Mapping[str, Path],
    cache: Cache,
    options: SeasonOptions | None = None,
    *,
    themes: Sequence[Theme] = (),
    silent: Mapping[int, str] | None = None,
    fingerprint_cache: Cache | None = None,
    progress: Progress = quiet,
) -> list[EpisodeFacts]:
    """Return the facts of each episode of a season, in order.

    Args:
        files: paths by name, in the order of the episodes.
        themes: of the library; looked for in every file.
        silent: numbers of files whose sound is not to be asked for, and why.
        fingerprint_cache: the cache that holds the files' fingerprints, if they were made in
            this run.
        progress: called with the name of a stage, the steps done, and the steps in all.
    """
    options = options or SeasonOptions()
    paths = list(files.values())
    settings = replace(SOUND, audio=options.audio)
    findings = None if silent or options.careful else _recalled(paths, cache, options, themes)
    if findings is None:
        findings, repetition = _find(
            paths,
            cache,
            options,
            silent=silent,
            fingerprint_cache=fingerprint_cache,
            themes=themes,
            progress=progress,
        )
        if not silent and not options.careful:  # workers that died may not do so the next time
            kept_season.keep(paths, findings, cache, _key(options, themes))
    else:
        loaded = _KeptFingerprints(paths, findings, fingerprint_cache or cache, settings)
        repetition = Repetition(tuple(paths), dict(findings.durations), loaded)
    return _facts(files, findings, repetition, cache, options, themes)


def recall_season(
    files: Mapping[str, Path], cache: Cache, options: SeasonOptions, *, themes: Sequence[Theme] = ()
) -> list[EpisodeFacts] | None:
    """Return the facts of a season in which nothing has changed, without decoding anything.

    Returns:
        None where something has, or where sounds are to be compared with corrections or themes.
    """
    paths = list(files.values())
    findings = None if themes else _recalled(paths, cache, options, themes)
    if findings is None:
        return None
    repetition = Repetition(tuple(paths), dict(findings.durations), _NoFingerprints())
    try:
        return _facts(files, findings, repetition, cache, options, themes)
    except FingerprintsNeeded:
        return None


def _key(options: SeasonOptions, themes: Sequence[Theme]) -> list[object]:
    # A file that is alone is listened to for the sake of themes only.
    return [options.audio, options.pictures, bool(themes)]


def _recalled(
    paths: Sequence[Path], cache: Cache, options: SeasonOptions, themes: Sequence[Theme]
) -> Findings | None:
    """Return what is kept of a season, with the reasons of files that still cannot be used."""
    findings = kept_season.recall(paths, cache, _key(options, themes))
    if findings is None:
        return None
    errors, silent = {}, {}
    for number in findings.errors:
        reason = _refusal(lambda path: probe(path), paths[number])
        if reason is None:
            return None
        errors[number] = reason
    settings = replace(SOUND, audio=options.audio)
    for number in findings.silent:
        reason = _refusal(lambda path: cache.fingerprint(path, settings), paths[number])
        if reason is None:
            return None
        silent[number] = reason
    return replace(findings, errors=errors, silent=silent)


def _refusal(read: Callable[[Path], object], path: Path) -> str | None:
    try:
        read(path)
    except ClippingError as error:
        return str(error)
    return None


def _find(
    paths: Sequence[Path],
    cache: Cache,
    options: SeasonOptions,
    *,
    silent: Mapping[int, str] | None,
    fingerprint_cache: Cache | None,
    themes: Sequence[Theme],
    progress: Progress,
) -> tuple[Findings, Repetition]:
    """Listen to, and look at, the files of a season."""
    infos: dict[int, MediaInfo] = {}
    errors: dict[int, str] = {}
    for number, path in enumerate(paths):
        try:
            infos[number] = probe(path)
        except ClippingError as error:
            errors[number] = str(error)
    durations = {number: info.duration for number, info in infos.items() if info.duration > 0}
    settings = replace(SOUND, audio=options.audio)
    repetition, claims = Repetition(tuple(paths), durations), list[Claim]()
    if len(durations) > 1 or (durations and themes):
        repetition = listen(
            paths,
            durations,
            cache,
            settings,
            silent=silent,
            fingerprint_cache=fingerprint_cache,
            progress=progress,
        )
    if len(durations) > 1:
        claims = assign_roles(repetition.groups, durations)
    if len(durations) > 1 and not options.careful:
        if options.pictures != "never":
            claims = compare_pictures(
                repetition, claims, cache, always=options.pictures == "always", progress=progress
            )
        claims = snap_ends(split_off_speech(claims, repetition, cache), repetition, cache)
    return (
        Findings(
            durations,
            {number: tuple(from_chapters(info)) for number, info in infos.items()},
            {number: info.duration for number, info in infos.items()},
            tuple(claims),
            repetition.silent,
            errors,
        ),
        repetition,
    )


def _facts(
    files: Mapping[str, Path],
    findings: Findings,
    repetition: Repetition,
    cache: Cache,
    options: SeasonOptions,
    themes: Sequence[Theme],
) -> list[EpisodeFacts]:
    """Add what people and the theme library say to the findings."""
    paths, names = list(files.values()), list(files)
    settings = replace(SOUND, audio=options.audio)
    written = [written_json(path, name, options.written_to) for name, path in files.items()]
    known = apply_known_spans(paths, repetition, cache, themes, settings, written=written)
    facts = []
    for number, (name, path) in enumerate(files.items()):
        if number in findings.errors:
            facts.append(EpisodeFacts(name, path, error=findings.errors[number]))
            continue
        own = tuple(claim for claim in findings.claims if claim.place.file == number)
        candidates = [
            *known.candidates.get(number, ()),
            *(from_claim(claim, names) for claim in own),
            *findings.chapters[number],
        ]
        facts.append(
            EpisodeFacts(
                name,
                path,
                findings.lengths[number],
                known.problems.get(number),
                tuple(candidates),
                own,
                max(0, len(findings.durations) - 1) if number in findings.durations else 0,
                (*_each(findings.silent, number), *((_CAREFUL,) if options.careful else ())),
                known.denied.get(number, frozenset()),
            )
        )
    return facts


def _each(reasons: Mapping[int, str], number: int) -> tuple[str, ...]:
    return (reasons[number],) if number in reasons else ()


class _KeptFingerprints(Mapping[int, FileFingerprint]):
    """The fingerprints of a season that was recalled; loaded when one of them is asked for."""

    def __init__(
        self, paths: Sequence[Path], findings: Findings, cache: Cache, settings: SharedSettings
    ) -> None:
        self._paths, self._cache, self._settings = paths, cache, settings
        self._numbers = [number for number in findings.durations if number not in findings.silent]

    @cached_property
    def _loaded(self) -> dict[int, FileFingerprint]:
        loaded = {}
        for number in self._numbers:
            with suppress(ClippingError):  # a file that went while we looked at it
                loaded[number] = self._cache.fingerprint(self._paths[number], self._settings)
        return loaded

    def __getitem__(self, number: int) -> FileFingerprint:
        return self._loaded[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)


class _NoFingerprints(Mapping[int, FileFingerprint]):
    """Fingerprints that are not to be loaded."""

    def __getitem__(self, number: int) -> FileFingerprint:
        raise FingerprintsNeeded

    def __iter__(self) -> Iterator[int]:
        raise FingerprintsNeeded

    def __len__(self) -> int:
        raise FingerprintsNeeded


def from_claim(claim: Claim, names: Sequence[str] = ()) -> Candidate:
    """Return a claim of repetition as a candidate.

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
    """Return the candidates that the chapters' titles name."""
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
