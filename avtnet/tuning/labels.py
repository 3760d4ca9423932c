"""What a person says of an episode, in whatever form: labels to tune a network on.

Taken are, of each media file, in this order and for each of opening and ending by itself:

1. what ``python -m avtnet.correct`` was told, or what was edited in our JSON (``.avtnet/``);
2. its row of a table of many files (``--labels labels.csv``), else a file of one of the formats of
   docs/formats.md, beside it or in a folder (``--labels FOLDER``).

A table or file that does not name an opening says that there is none. What has a confidence was
found by a program: it is no label, unless that is wanted.
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
"""Roles of which the network is told nothing: neither story nor one of KINDS."""
_NAMELESS = ("edl", "edl45")
SHORTEST, LONGEST = 12.0, 170.0
"""Seconds that a span without a name must last to count as an opening or an ending."""
SLACK = 1.0
"""Seconds by which a label may reach beyond the file's end."""


@dataclass(frozen=True)
class Labels:
    """What is known of an episode."""

    spans: tuple[Segment, ...]
    """Of KINDS and UNCLEAR, within the file, in order of time; those of one of KINDS do not
    overlap with others."""
    known: frozenset[str]
    """Which of KINDS were spoken of; of these, ``spans`` holds all there are."""
    origin: str
    """Where it was said."""

    def of(self, kind: str) -> tuple[Segment, ...]:
        """The spans of one of KINDS."""
        return tuple(each for each in self.spans if each.label == kind)


@dataclass(frozen=True)
class Given:
    """Where labels are looked for, besides corrections."""

    table: tuple[Timeline, ...] | None = None
    """Of many files; None: a file for each."""
    origin: str = ""
    folder: Path | None = None
    """Where these files are; None: beside the media."""
    form: str = ""
    """Which format of docs/formats.md counts, where there are several; empty: the only one."""
    found_too: bool = False
    """Take what a program found, too."""


def given(labels: Path | None, form: str = "", *, found_too: bool = False) -> Given:
    """What ``--labels`` means: nothing, a table, or a folder.

    Raises:
        ClippingError: where it is none of these, or the table is wrong.
    """
    if form:
        catalog.check_names([form])
    if labels is None or labels.is_dir():
        return Given(folder=labels, form=form, found_too=found_too)
    if form:
        raise ClippingError(f"{labels}: --format is for a file of labels each, this is a table")
    return Given(tuple(read_timelines(labels)), str(labels), found_too=found_too)


def labels_of(name: str, path: Path, cache: Cache, where: Given) -> Labels | None:
    """What is known of a media file; None where nobody said anything of it.

    Args:
        name: what the episode is called among all (may hold ``/``).

    Raises:
        ClippingError: naming the file, where what was said is wrong: a person's words are not
            passed over.
    """
    info = probe(path)
    spans: list[Segment] = []
    known: set[str] = set()
    origins: list[str] = []
    take_edits(path, cache)
    said = corrections_of(path, cache)
    if said:
        known |= {one.label for one in said} & set(KINDS)
        spans += [
            Segment(one.start, one.end, one.label)
            for one in said
            if one.start is not None and one.end is not None and one.label in (*KINDS, *UNCLEAR)
        ]
        origins.append("corrections")
    timeline, origin = _written(name, path, info, where)
    if timeline is not None:
        if timeline.error is not None:
            raise TableError(f"{origin}: says of {path.name}: {timeline.error}")
        told, more = _told(timeline, origin, where)
        spans += [each for each in more if each.label not in known]
        if told - known:
            origins.append(origin)
        known |= told
    if not known:
        return None
    return Labels(_checked(path, info.duration, spans), frozenset(known), " and ".join(origins))


def _written(name: str, path: Path, info: MediaInfo, where: Given) -> tuple[Timeline | None, str]:
    """What stands of a media file in the table, or in a file of its own."""
    if where.table is not None:
        return row_of(path, where.table), where.origin
    stem = path.with_name(path.stem) if where.folder is None else where.folder / name
    files = [
        file
        for suffix in suffixes()
        if (file := stem.with_name(stem.name + suffix)).is_file() and _is_wanted(file, where.form)
    ]
    if not files:
        return None, ""
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise TableError(f"{path}: {names} lie beside it: say which holds the labels by --format")
    rate = info.video.frame_rate if info.video is not None else None
    file = files[0]
    read = catalog.read(file, where.form or None, duration=info.duration, frame_rate=rate)
    if catalog.told_by(file) in _NAMELESS:
        read = _named(read, file, info.duration)
    return read, str(file)


def suffixes() -> list[str]:
    """Return what files of labels are called after the media's name.

    Not ``.txt`` or ``.vtt`` alone: these are words.
    """
    formats = catalog.TABLE.gather()[0].values()
    return list(dict.fromkeys([*(form.suffix for form in formats), ".json", ".csv"]))


def _named(timeline: Timeline, file: Path, duration: float) -> Timeline:
    """An EDL's spans to jump over as openings and endings, told by their places and lengths.

    Raises:
        TableError: where two of them may be the same.
    """
    if any(each.label in KINDS for each in timeline.segments):  # Notrobro's dialect names them
        return timeline
    named: list[Segment] = []
    for each in timeline.segments:
        kind = "opening" if each.start + each.end < duration else "ending"
        if not SHORTEST <= each.duration <= LONGEST:
            kind = "mixed"  # what it is cannot be told
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
        catalog.told_by(file) == form
    )


def _told(timeline: Timeline, origin: str, where: Given) -> tuple[set[str], list[Segment]]:
    """Which kinds a timeline speaks of, and its spans with roles for labels.

    Raises:
        TableError: where it has segments, and none of them means anything here.
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
    if where.found_too:
        return set(KINDS), spans
    found = {role for role, each in roles if each.score is not None}
    if any(each.score is not None for each in timeline.segments):
        # What a program did not find may be there all the same.
        told = {role for role, _ in roles if role in KINDS and role not in found}
        return {str(role) for role in told}, [each for each in spans if each.label not in found]
    return set(KINDS), spans


def _checked(path: Path, duration: float, spans: Sequence[Segment]) -> tuple[Segment, ...]:
    """Spans within the file, in order.

    Raises:
        TableError: for one that is not, and for an opening or ending over something else.
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
