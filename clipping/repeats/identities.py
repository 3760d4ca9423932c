"""Group the stretches that pairs of files share into identities.

An identity is one thing that several files hold (an opening, an ending, a jingle), with all its
occurrences. Steps of :func:`group_matches`:

1. Files that are copies of one another are found, and their matches with each other are dropped.
2. In each file, spans of matches that cover the same place become one node (``_nodes``).
3. Nodes that matches connect, directly or through other files, are one identity (``_components``).
4. Each match of a node is a vote on its start and end. The ends of an occurrence are those that the
   votes agree on (:mod:`clipping.repeats.end_consensus`), so that a single damaged file or a chance
   likeness of two files does not move them.
5. Occurrences inside an occurrence of a greater identity are dropped (``_without_parts``).
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
"""Two files are copies if they share this fraction of the shorter one at one offset: the same
episode again, dubbed, cut differently, or inside a double episode."""
_ONE_OFFSET = 0.5
"""Largest difference, in seconds, between offsets that count as one."""
_SAME_PLACE = 0.5
"""Smallest intersection over union of two spans of a file that are one occurrence."""
_TOUCHING = 1.0
"""Largest distance, in seconds, between two things that touch."""
_COVERED = 0.6
"""An occurrence is a part of a greater one if this fraction of it lies inside."""
_CUT_SHORT = 0.25
"""Smallest fraction of a thing's length that still counts as that thing, cut short."""
_COARSE_WEIGHT = 0.25
"""Weight of a vote with a fingerprint's rough ends; one with ends to the sample weighs 1."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of one file, in seconds of media time."""

    file: int
    """Number of the file."""
    start: float
    end: float

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a place needs 0 <= start < end, got {self.start} and {self.end}")

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return self.end - self.start

    def common(self, other: Stretch) -> float:
        """Seconds that two stretches have in common; 0 if they are of different files."""
        if self.file != other.file:
            return 0.0
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


@dataclass(frozen=True)
class Match:
    """A stretch that two of the files share."""

    a: Stretch
    b: Stretch
    score: float
    """Agreement of the fingerprints: 0 as unrelated files, 1 equal."""
    exact: bool = True
    """True if its ends were found in the waveforms."""
    by: Kind = "sound"

    @property
    def offset(self) -> float:
        """Seconds to add to a time in a to get the same moment in b, in the middle."""
        return (self.b.start + self.b.end - self.a.start - self.a.end) / 2


@dataclass(frozen=True)
class Occurrence:
    """One occurrence of an identity in a file."""

    place: Stretch
    """Its place; the ends are the consensus of all matches."""
    seen_with: tuple[int, ...]
    """Numbers of the files that it was matched with; copies of one another count once."""
    score: float
    """Mean score of its matches."""
    exact: bool
    """True if a match has exact ends."""
    by: Kind
    doubt: float = 0.0
    """Seconds between the extreme votes for an end, including votes that were not believed."""


@dataclass(frozen=True)
class Identity:
    """One thing that occurs in several files, or several times in one file."""

    occurrences: tuple[Occurrence, ...]

    @cached_property
    def seconds(self) -> float:
        """The median length of its occurrences in seconds."""
        return statistics.median(each.place.seconds for each in self.occurrences)

    @cached_property
    def files(self) -> tuple[int, ...]:
        """The numbers of the files that hold it, ascending, each once."""
        return tuple(sorted({each.place.file for each in self.occurrences}))

    def within(self, file: int) -> tuple[Occurrence, ...]:
        """Its occurrences in one file."""
        return tuple(each for each in self.occurrences if each.place.file == file)


@dataclass(frozen=True)
class MatchGroups:
    """The result of :func:`group_matches`."""

    identities: tuple[Identity, ...]
    """Those with most seconds over all occurrences first."""
    copies: tuple[tuple[int, ...], ...]
    """Groups of files that are copies of one another."""


def group_matches(matches: Sequence[Match], durations: Mapping[int, float]) -> MatchGroups:
    """Group the stretches that pairs of files share into identities.

    Matches between copies of one episode are not used: copies share everything, so their matches
    show no repeated part. Matches of each copy with other files count.

    Args:
        durations: file number → seconds.
    """
    group = _copies(matches, durations)
    nodes = _nodes([match for match in matches if group[match.a.file] != group[match.b.file]])
    parts = _components(nodes)
    neighbours = _Neighbours(parts)
    identities = [_identity(part, group, neighbours) for part in range(len(parts))]
    identities = sorted(_without_parts(identities), key=_weight_of, reverse=True)
    members: dict[int, list[int]] = defaultdict(list)
    for file in sorted(durations):
        members[group[file]].append(file)
    copies = tuple(tuple(files) for files in members.values() if len(files) > 1)
    return MatchGroups(tuple(identities), copies)


def _copies(matches: Sequence[Match], durations: Mapping[int, float]) -> dict[int, int]:
    """File number → number of its group; files of one group are copies of one another."""
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
    """The spans of matches that cover one place of a file: an occurrence in the making."""

    leader: Stretch
    """The longest and best span, which the others are compared with."""
    spans: list[tuple[Stretch, Stretch, Match]] = field(default_factory=list)
    """(place in this file, place in the other file, the match) of each match."""

    def overlap(self, place: Stretch) -> float:
        """Intersection over union of a place and the leader: 0..1."""
        common = self.leader.common(place)
        return common / (self.leader.seconds + place.seconds - common)


def _nodes(matches: Sequence[Match]) -> dict[int, list[_Node]]:
    """The nodes of each file. Longer and better spans come first and become leaders."""
    spans = [
        (here, there, match)
        for match in matches
        for here, there in ((match.a, match.b), (match.b, match.a))
    ]
    spans.sort(key=_rank)
    nodes: dict[int, list[_Node]] = defaultdict(list)
    for span in spans:
        here = span[0]
        best = max(nodes[here.file], key=lambda node: node.overlap(here), default=None)
        if best is None or best.overlap(here) < _SAME_PLACE:
            best = _Node(here)
            nodes[here.file].append(best)
        best.spans.append(span)
    return nodes


def _rank(span: tuple[Stretch, Stretch, Match]) -> tuple[object, ...]:
    """A total order: the result does not depend on the order in which pairs were compared."""
    here, there, match = span
    weight = -here.seconds * match.score
    places = (here.file, here.start, here.end, there.file, there.start, there.end)
    return weight, *places, -match.score, not match.exact, match.by


def _components(nodes: Mapping[int, Sequence[_Node]]) -> list[list[_Node]]:
    """Group the nodes that matches connect, directly or through others (union-find)."""
    every = [node for file in sorted(nodes) for node in nodes[file]]
    nodes_of: dict[int, dict[Stretch, int]] = {
        id(match): {} for node in every for _, _, match in node.spans
    }
    for number, node in enumerate(every):
        for here, _, match in node.spans:
            nodes_of[id(match)][here] = number
    parent = list(range(len(every)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]  # shorten the path for the next time
            number = parent[number]
        return number

    for places in nodes_of.values():
        first, *others = places.values()
        for other in others:
            parent[root(other)] = root(first)
    parts: dict[int, list[_Node]] = defaultdict(list)
    for number, node in enumerate(every):
        parts[root(number)].append(node)
    return list(parts.values())


def _identity(part: int, group: Mapping[int, int], neighbours: _Neighbours) -> Identity:
    """The identity of component ``part``: an occurrence per node, with ends by consensus."""
    occurrences = []
    for node in neighbours.parts[part]:
        low, high = neighbours.limits(node, part)
        starts = [(max(here.start, low), *_weight(match, group, there)) for here, there, match in
                  node.spans]  # fmt: skip
        ends = [(min(here.end, high), *_weight(match, group, there)) for here, there, match in
                node.spans]  # fmt: skip
        start, start_doubt = end_consensus(starts, outward=-1)
        end, end_doubt = end_consensus(ends, outward=1)
        if end <= start:
            start, end = node.leader.start, node.leader.end
        matches = [match for _, _, match in node.spans]
        occurrences.append(
            Occurrence(
                Stretch(node.leader.file, start, end),
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
    """(weight of a match's vote, the group of the file that votes)."""
    return match.score * (1.0 if match.exact else _COARSE_WEIGHT), group[there.file]


class _Neighbours:
    """The components, and the knowledge which things lie next to each other in the files."""

    def __init__(self, parts: Sequence[Sequence[_Node]]) -> None:
        self.parts = parts
        self._of_file: dict[int, list[tuple[int, _Node, Stretch]]] = defaultdict(list)
        self._places: list[dict[int, list[Stretch]]] = [defaultdict(list) for _ in parts]
        self._alone: dict[tuple[int, int], bool] = {}
        for part, nodes in enumerate(parts):
            for node in nodes:
                self._of_file[node.leader.file].append((part, node, node.leader))
                self._places[part][node.leader.file].append(node.leader)

    def limits(self, node: _Node, part: int) -> tuple[float, float]:
        """The earliest start and the latest end, in seconds, that a node may have.

        A logo card right before an opening, or a jingle right after an ending, is shared like the
        opening itself, so matches run through both. But if some file has the neighbour somewhere
        else, the two are different things, and this one must not reach into its neighbour.
        """
        here = node.leader
        low, high = 0.0, float("inf")
        for other, neighbour, place in self._of_file[here.file]:
            if other == part or place.common(here) < min(_TOUCHING, place.seconds / 2):
                continue
            # A long neighbour is no logo or jingle.
            if place.seconds > here.seconds / 2 or not self._stands_alone(other, part):
                continue
            if abs(place.start - here.start) <= _TOUCHING:
                low = max(low, statistics.median(span[0].end for span in neighbour.spans))
            elif abs(place.end - here.end) <= _TOUCHING:
                high = min(high, statistics.median(span[0].start for span in neighbour.spans))
        return (low, high) if high - low >= here.seconds / 2 else (0.0, float("inf"))

    def _stands_alone(self, other: int, part: int) -> bool:
        """True if some file holds both things and has the other one well away from this one."""
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
    """Drop occurrences that are a part of a greater one in their file.

    If an identity is a part of a greater one in some file, its occurrences in files without the
    greater one are taken for that one, cut short, and join it. Those too short for that stay an
    identity of their own if there are at least two.
    """
    ordered = sorted(identities, key=_weight_of, reverse=True)
    kept: list[Identity] = []
    # file → (number in ``kept``, place) of each occurrence that is kept
    inside: dict[int, list[tuple[int, Stretch]]] = defaultdict(list)
    for identity in ordered:
        left, greater = [], []
        for each in identity.occurrences:
            number = _greater_number(each.place, inside[each.place.file])
            if number is None:
                left.append(each)
            elif number not in greater:
                greater.append(number)
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


def _greater_number(place: Stretch, inside: Sequence[tuple[int, Stretch]]) -> int | None:
    """The number of the first identity with an occurrence that covers most of a place, or None."""
    numbers = [number for number, each in inside if each.common(place) >= _COVERED * place.seconds]
    return min(numbers, default=None)


def _weight_of(identity: Identity) -> float:
    """Seconds of all occurrences together."""
    return identity.seconds * len(identity.occurrences)


def _by_place(occurrence: Occurrence) -> tuple[int, float]:
    return occurrence.place.file, occurrence.place.start
