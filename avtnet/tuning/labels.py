"""Read a person's labels of episodes, in any format, to tune a network on.

Labels of opening and ending are taken separately for each media file from the first of these:

1. corrections of ``python -m avtnet.correct``, or edits of our JSON (``.avtnet/``);
2. the file's row in a table of many files (``--labels labels.csv``), else a file in one of the
   formats of docs/formats.md, next to the media or in a folder (``--labels FOLDER``).

A table or file without an opening says that the episode has none. Segments with a confidence were
found by a program: they are no labels, unless ``found_too`` is set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clipping.cutting.selection import row_of
from clipping.errors import ClippingError, TableError
from clipping.formats import catalog
from clipping.formats.tables import read_timelines
from clipping.formats.titles import TITLES, role_of
from clipping.kept.cache import Cache
from clipping.kept.corrections import corrections_of
from clipping.kept.edits import take_edits
from clipping.media.probe import MediaInfo, probe
from clipping.segments import Segment, Timeline

KINDS = ("opening", "ending")
UNCLEAR = frozenset(("mixed", "theme"))
"""Roles whose seconds are left out of training: neither story nor one of KINDS."""
_NAMELESS = ("edl", "edl45")
"""Formats whose spans have no label."""
SHORTEST, LONGEST = 12.0, 170.0
"""Shortest and longest span without a label, in seconds, that counts as an opening or ending."""
SLACK = 1.0
"""Most seconds by which a label may reach beyond the file's end."""


@dataclass(frozen=True)
class Labels:
    """The labels of an episode."""

    spans: tuple[Segment, ...]
    """Spans of KINDS and UNCLEAR, within the file, in order of time; a span of KINDS overlaps no
    other span."""
    known: frozenset[str]
    """The KINDS that are labelled; ``spans`` holds all spans of these, or none if there is none."""
    origin: str
    """Source of the labels, for messages."""

    def of(self, kind: str) -> tuple[Segment, ...]:
        """Return the spans of one of KINDS."""
        return tuple(each for each in self.spans if each.label == kind)


@dataclass(frozen=True)
class LabelSources:
    """Sources of labels besides corrections."""

    table: tuple[Timeline, ...] | None = None
    """Rows of a table of many files; None: there is a file for each episode."""
    origin: str = ""
    """Path of the table."""
    folder: Path | None = None
    """Folder of the files; None: next to the media."""
    form: str = ""
    """Format of docs/formats.md to read if an episode has files in several; empty: the only one."""
    found_too: bool = False
    """Take segments that a program found too."""


def find_sources(labels: Path | None, form: str = "", *, found_too: bool = False) -> LabelSources:
    """Return the sources of labels that ``--labels`` names: nothing, a table, or a folder.

    Raises:
        ClippingError: if it is none of these, or the table is wrong.
    """
    if form:
        catalog.check_names([form])
    if labels is None or labels.is_dir():
        return LabelSources(folder=labels, form=form, found_too=found_too)
    if form:
        raise ClippingError(f"{labels}: --format is for a file of labels each, this is a table")
    return LabelSources(tuple(read_timelines(labels)), str(labels), found_too=found_too)


def labels_of(name: str, path: Path, cache: Cache, sources: LabelSources) -> Labels | None:
    """Return the labels of a media file; None if there are none.

    Args:
        name: the episode's name among all (may hold ``/``).

    Raises:
        ClippingError: naming the file, if a label is wrong: a person's labels are never ignored
            silently.
    """
    info = probe(path)
    spans: list[Segment] = []
    known: set[str] = set()
    origins: list[str] = []
    take_edits(path, cache)
    corrections = corrections_of(path, cache)
    if corrections:
        known |= {one.label for one in corrections} & set(KINDS)
        spans += [
            Segment(one.start, one.end, one.label)
            for one in corrections
            if one.start is not None and one.end is not None and one.label in (*KINDS, *UNCLEAR)
        ]
        origins.append("corrections")
    timeline, origin = _written(name, path, info, sources)
    if timeline is not None:
        if timeline.error is not None:
            raise TableError(f"{origin}: says of {path.name}: {timeline.error}")
        labelled, more = _spans_of(timeline, origin, sources)
        spans += [each for each in more if each.label not in known]
        if labelled - known:
            origins.append(origin)
        known |= labelled
    if not known:
        return None
    return Labels(_checked(path, info.duration, spans), frozenset(known), " and ".join(origins))


def _written(
    name: str, path: Path, info: MediaInfo, sources: LabelSources
) -> tuple[Timeline | None, str]:
    """Return the timeline of a media file from the table, or from a file of its own, and a name."""
    if sources.table is not None:
        return row_of(path, sources.table), sources.origin
    stem = path.with_name(path.stem) if sources.folder is None else sources.folder / name
    files = [
        file
        for suffix in suffixes()
        if (file := stem.with_name(stem.name + suffix)).is_file() and _is_wanted(file, sources.form)
    ]
    if not files:
        return None, ""
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise TableError(f"{path}: {names} lie next to it: name the one with labels by --format")
    rate = info.video.frame_rate if info.video is not None else None
    file = files[0]
    read = catalog.read(file, sources.form or None, duration=info.duration, frame_rate=rate)
    if catalog.format_of_file(file) in _NAMELESS:
        read = _named(read, file, info.duration)
    return read, str(file)


def suffixes() -> list[str]:
    """Return what files of labels are called after the media's name.

    Not ``.txt`` or ``.vtt`` alone: these are words.
    """
    formats = catalog.TABLE.collect_rows()[0].values()
    return list(dict.fromkeys([*(form.suffix for form in formats), ".json", ".csv"]))


def _named(timeline: Timeline, file: Path, duration: float) -> Timeline:
    """Return the spans of an EDL as openings and endings, by their places and lengths.

    Raises:
        TableError: if two of them may be the same.
    """
    if any(each.label in KINDS for each in timeline.segments):  # Notrobro's dialect names them
        return timeline
    named: list[Segment] = []
    for each in timeline.segments:
        kind = "opening" if each.start + each.end < duration else "ending"
        if not SHORTEST <= each.duration <= LONGEST:
            kind = "mixed"  # too short or too long: its role is unknown
        elif any(other.label == kind for other in named):
            raise TableError(
                f"{file}: two spans may be the {kind}, and an EDL holds no names: give the labels "
                "in another format (docs/formats.md), such as chapters or csv"
            )
        named.append(replace(each, label=kind))
    return replace(timeline, segments=tuple(named))


def _is_wanted(file: Path, form: str) -> bool:
    if not form:
        return True
    return file.name.lower().endswith(catalog.TABLE.find(form).suffix) or (
        catalog.format_of_file(file) == form
    )


def _spans_of(
    timeline: Timeline, origin: str, sources: LabelSources
) -> tuple[set[str], list[Segment]]:
    """Return the kinds that a timeline labels, and its spans with roles as labels.

    Raises:
        TableError: if it has segments, but none with a known role.
    """
    roles = [
        (each.label if each.label in TITLES else role_of(each.label), each)
        for each in timeline.segments
    ]
    if roles and not any(role for role, _ in roles):
        names = ", ".join(sorted({each.label for each in timeline.segments}))
        raise TableError(f"{origin}: none of its labels names an opening or an ending: {names}")
    spans = [
        Segment(each.start, each.end, role)
        for role, each in roles
        if role is not None and role in (*KINDS, *UNCLEAR)
    ]
    if sources.found_too:
        return set(KINDS), spans
    found = {role for role, each in roles if each.score is not None}
    if any(each.score is not None for each in timeline.segments):
        # A program has written it: a kind that it did not find is unknown, not absent.
        labelled = {role for role, _ in roles if role in KINDS and role not in found}
        return {str(role) for role in labelled}, [each for each in spans if each.label not in found]
    return set(KINDS), spans


def _checked(path: Path, duration: float, spans: Sequence[Segment]) -> tuple[Segment, ...]:
    """Return the spans in order of time, cut at the file's end.

    Raises:
        TableError: if one is outside the file, or an opening or ending overlaps another span.
    """
    kept: list[Segment] = []
    for each in sorted(spans, key=lambda one: (one.start, one.end, one.label)):
        if each.end > duration + SLACK or each.start >= duration:
            raise TableError(
                f"{path}: its label {each} is not within the file, which has {duration:.3f} s; "
                "are these the labels of another release? (avtnet themes move)"
            )
        inside = Segment(each.start, min(each.end, duration), each.label)
        for other in kept:
            if inside.overlap(other) > 0.05 and {inside.label, other.label} & set(KINDS):
                raise TableError(f"{path}: its labels {other} and {inside} overlap")
        kept.append(inside)
    return tuple(kept)
