"""What many files repeat: stretches that pairs of them share, gathered into identities.

An identity is one thing that several files hold (an opening, an ending, a jingle), with every
occurrence of it. Each pair of files in which it lies gives a vote on both of its ends in both
files, and an occurrence's ends are what its votes agree on, not what the first pair said.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from clipping.repeats.end_consensus import end_consensus
from clipping.repeats.fingerprint import Kind

SAME_CONTENT = 0.75
"""Share of the shorter file that two files hold at one offset, from which they are copies: the
same episode again, dubbed, cut otherwise, or inside a double episode."""
_ONE_OFFSET = 0.5
"""Seconds within which the offsets of copies agree."""
_SAME_PLACE = 0.5
"""Overlap over union from which two spans of a file are one occurrence."""
_TOUCHING = 1.0
"""Seconds up to which an end of one thing is the beginning of its neighbour."""
_COVERED = 0.6
"""Share of an occurrence inside a greater one from which it is a part of that."""
_CUT_SHORT = 0.25
"""Share of a thing that a file holds at least, if what it holds is that thing cut short."""
_COARSE_WEIGHT = 0.25
"""Of a vote whose end is only a fingerprint's, against one that is placed to the sample."""


@dataclass(frozen=True)
class Stretch:
    """Where a stretch lies in one of the files."""

    file: int
    start: float
    end: float

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a place needs 0 <= start < end, got {self.start} and {self.end}")

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start

    def common(self, other: Stretch) -> float:
        """Seconds that both cover of one file."""
        if self.file != other.file:
            return 0.0
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


@dataclass(frozen=True)
class Match:
    """A stretch that two of the files share."""

    a: Stretch
    b: Stretch
    score: float
    """Agreement, 0 as strangers to 1 the same."""
    exact: bool = True
    """Whether its ends are those of the sounds' own samples."""
    by: Kind = "sound"

    @property
    def offset(self) -> float:
        """Seconds from a moment in a to the same one in b."""
        return (self.b.start + self.b.end - self.a.start - self.a.end) / 2


@dataclass(frozen=True)
class Occurrence:
    """One place of an identity, by consensus."""

    place: Stretch
    seen_with: tuple[int, ...]
    """The files in which the same thing was found from here; copies of one another count once."""
    score: float
    """Mean agreement with them."""
    exact: bool
    by: Kind
    doubt: float = 0.0
    """Seconds by which the votes for its ends lie apart, those that were not believed included."""


@dataclass(frozen=True)
class Identity:
    """One thing that several files hold, or one file several times."""

    occurrences: tuple[Occurrence, ...]

    @cached_property
    def seconds(self) -> float:
        """The median length."""
        return statistics.median(each.place.seconds for each in self.occurrences)

    @cached_property
    def files(self) -> tuple[int, ...]:
        """The files that hold it, each once."""
        return tuple(sorted({each.place.file for each in self.occurrences}))

    def within(self, file: int) -> tuple[Occurrence, ...]:
        """Its occurrences in one file."""
        return tuple(each for each in self.occurrences if each.place.file == file)


@dataclass(frozen=True)
class MatchGroups:
    """The identities of some files, the greatest first, and which files are copies."""

    identities: tuple[Identity, ...]
    copies: tuple[tuple[int, ...], ...]


def group_matches(matches: Sequence[Match], durations: Mapping[int, float]) -> MatchGroups:
    """Gather what pairs of files share into identities.

    Files that are copies of one another say nothing about each other: all they hold is the same.
    What was found of each with a third file counts.

    Args:
        durations: seconds of each file.
    """
    group = _copies(matches, durations)
    nodes = _nodes([match for match in matches if group[match.a.file] != group[match.b.file]])
    parts = _components(nodes)
    near = _Neighbours(parts)
    identities = [_identity(part, group, near) for part in range(len(parts))]
    identities = sorted(_without_parts(identities), key=_weight_of, reverse=True)
    members: dict[int, list[int]] = defaultdict(list)
    for file in sorted(durations):
        members[group[file]].append(file)
    alike = tuple(tuple(files) for files in members.values() if len(files) > 1)
    return MatchGroups(tuple(identities), alike)


def _copies(matches: Sequence[Match], durations: Mapping[int, float]) -> dict[int, int]:
    """The group of each file; files of one group hold the same."""
    group = {file: file for file in durations}
    pairs: dict[tuple[int, int], list[Match]] = defaultdict(list)
    for match in matches:
        pairs[match.a.file, match.b.file].append(match)
    for (a, b), shared in pairs.items():
        shorter = min(durations[a], durations[b])
        for one in shared:
            same = math.fsum(
                other.a.seconds
                for other in shared
                if abs(other.offset - one.offset) <= _ONE_OFFSET and other.by == one.by
            )
            if same >= SAME_CONTENT * shorter:
                new, old = sorted((group[a], group[b]))
                group = {file: new if of == old else of for file, of in group.items()}
                break
    return group


@dataclass
class _Node:
    """Spans of one file that are one occurrence."""

    spans: list[tuple[Stretch, Stretch, Match]] = field(default_factory=list)
    """(here, there, the match) of each."""
    about: Stretch | None = None

    def takes(self, place: Stretch) -> float:
        """Overlap over union with what is here."""
        assert self.about is not None
        common = self.about.common(place)
        return common / (self.about.seconds + place.seconds - common)


def _nodes(matches: Sequence[Match]) -> dict[int, list[_Node]]:
    """The spans of each file, those of one place together; longer and surer ones lead."""
    spans = [
        (here, there, match)
        for match in matches
        for here, there in ((match.a, match.b), (match.b, match.a))
    ]
    spans.sort(key=_rank)
    nodes: dict[int, list[_Node]] = defaultdict(list)
    for span in spans:
        here = span[0]
        best = max(nodes[here.file], key=lambda node: node.takes(here), default=None)
        if best is None or best.takes(here) < _SAME_PLACE:
            best = _Node(about=here)
            nodes[here.file].append(best)
        best.spans.append(span)
    return nodes


def _rank(span: tuple[Stretch, Stretch, Match]) -> tuple[object, ...]:
    """Complete, so that the order in which pairs were compared tells nothing."""
    here, there, match = span
    weight = -here.seconds * match.score
    places = (here.file, here.start, here.end, there.file, there.start, there.end)
    return weight, *places, -match.score, not match.exact, match.by


def _components(nodes: Mapping[int, Sequence[_Node]]) -> list[list[_Node]]:
    """Nodes that matches connect."""
    every = [node for file in sorted(nodes) for node in nodes[file]]
    home: dict[int, dict[Stretch, int]] = {
        id(match): {} for node in every for _, _, match in node.spans
    }
    for number, node in enumerate(every):
        for here, _, match in node.spans:
            home[id(match)][here] = number
    parent = list(range(len(every)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for places in home.values():
        first, *others = places.values()
        for other in others:
            parent[root(other)] = root(first)
    parts: dict[int, list[_Node]] = defaultdict(list)
    for number, node in enumerate(every):
        parts[root(number)].append(node)
    return list(parts.values())


def _identity(part: int, group: Mapping[int, int], near: _Neighbours) -> Identity:
    """The occurrences of one component, each by the votes of all it was seen with."""
    occurrences = []
    for node in near.parts[part]:
        assert node.about is not None
        low, high = near.limits(node, part)
        starts = [(max(here.start, low), *_weight(match, group, there)) for here, there, match in
                  node.spans]  # fmt: skip
        ends = [(min(here.end, high), *_weight(match, group, there)) for here, there, match in
                node.spans]  # fmt: skip
        start, start_doubt = end_consensus(starts, outward=-1)
        end, end_doubt = end_consensus(ends, outward=1)
        if end <= start:
            start, end = node.about.start, node.about.end
        matches = [match for _, _, match in node.spans]
        occurrences.append(
            Occurrence(
                Stretch(node.about.file, start, end),
                tuple(sorted({group[there.file] for _, there, _ in node.spans})),
                statistics.fmean(match.score for match in matches),
                any(match.exact for match in matches),
                "sound" if any(match.by == "sound" for match in matches) else "picture",
                max(start_doubt, end_doubt),
            )
        )
    occurrences.sort(key=_by_place)
    return Identity(tuple(occurrences))


def _weight(match: Match, group: Mapping[int, int], there: Stretch) -> tuple[float, int]:
    """How much a vote counts, and whose it is."""
    return match.score * (1.0 if match.exact else _COARSE_WEIGHT), group[there.file]


class _Neighbours:
    """The components, and which things lie beside each other in the files."""

    def __init__(self, parts: Sequence[Sequence[_Node]]) -> None:
        self.parts = parts
        self._of_file: dict[int, list[tuple[int, _Node, Stretch]]] = defaultdict(list)
        self._places: list[dict[int, list[Stretch]]] = [defaultdict(list) for _ in parts]
        self._alone: dict[tuple[int, int], bool] = {}
        for part, nodes in enumerate(parts):
            for node in nodes:
                if node.about is not None:
                    self._of_file[node.about.file].append((part, node, node.about))
                    self._places[part][node.about.file].append(node.about)

    def limits(self, node: _Node, part: int) -> tuple[float, float]:
        """How far outward the ends of a node may lie.

        A neighbour that touches it in some files (a logo card in front of an opening, a jingle
        behind an ending) is told apart where another file holds the neighbour without it: then
        the part that is the neighbour's is not this one's.
        """
        assert node.about is not None
        here = node.about
        low, high = 0.0, float("inf")
        for other, neighbour, place in self._of_file[here.file]:
            if other == part or place.common(here) < min(_TOUCHING, place.seconds / 2):
                continue
            if place.seconds > here.seconds / 2 or not self._stands_alone(other, part):
                continue
            if abs(place.start - here.start) <= _TOUCHING:
                low = max(low, statistics.median(span[0].end for span in neighbour.spans))
            elif abs(place.end - here.end) <= _TOUCHING:
                high = min(high, statistics.median(span[0].start for span in neighbour.spans))
        return (low, high) if high - low >= here.seconds / 2 else (0.0, float("inf"))

    def _stands_alone(self, other: int, part: int) -> bool:
        """Whether some file that holds both things holds the other one well away from this one."""
        if (other, part) not in self._alone:
            self._alone[other, part] = any(
                not any(
                    each.start - _TOUCHING <= place.end and place.start <= each.end + _TOUCHING
                    for each in self._places[part][file]
                )
                for file, places in self._places[other].items()
                if file in self._places[part]
                for place in places
            )
        return self._alone[other, part]


def _without_parts(identities: Sequence[Identity]) -> list[Identity]:
    """Leave out occurrences that are a part of a greater one in their file.

    What is left of such an identity in files that do not hold the greater one is that one, cut
    short; where it is too short for that, it stays for itself if there are two of it.
    """
    ordered = sorted(identities, key=_weight_of, reverse=True)
    kept: list[Identity] = []
    inside: dict[int, list[tuple[int, Stretch]]] = defaultdict(list)  # of each file, as kept
    for identity in ordered:
        left, greater = [], []
        for each in identity.occurrences:
            over = _over(each.place, inside[each.place.file])
            if over is None:
                left.append(each)
            elif over not in greater:
                greater.append(over)
        for number in greater:
            whole = kept[number]
            holders = set(whole.files)
            short = [
                each
                for each in left
                if each.place.file not in holders
                and each.place.seconds >= _CUT_SHORT * whole.seconds
            ]
            left = [each for each in left if each not in short]
            merged = sorted((*whole.occurrences, *short), key=_by_place)
            kept[number] = replace(whole, occurrences=tuple(merged))
            for each in short:
                inside[each.place.file].append((number, each.place))
        if len(left) > 1:
            for each in left:
                inside[each.place.file].append((len(kept), each.place))
            kept.append(replace(identity, occurrences=tuple(left)))
    return kept


def _over(place: Stretch, inside: Sequence[tuple[int, Stretch]]) -> int | None:
    """The number of the first identity that has an occurrence over most of a place."""
    numbers = [number for number, each in inside if each.common(place) >= _COVERED * place.seconds]
    return min(numbers, default=None)


def _weight_of(identity: Identity) -> float:
    return identity.seconds * len(identity.occurrences)


def _by_place(occurrence: Occurrence) -> tuple[int, float]:
    return occurrence.place.file, occurrence.place.start
