"""What a repeated stretch is: opening, ending, recap, preview, or none of a viewer's business.

An identity has a home: where most of its occurrences lie in their episodes. An occurrence may
leave it (the opening's song under the first episode's credits), and says so.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clipping.repeats.identities import Identity, MatchGroups, Occurrence, Stretch
from clipping.segments import Role

SHORTEST_THEME = 15.0
"""Seconds below which a repeated stretch is a logo, a bumper, an eyecatch."""
LONGEST_THEME = 240.0
_SHORTEST_JINGLE = 8.0
_TO_THE_END = 3.0
"""Seconds before a file's end up to which something lasts to it."""
_DOUBLE = 1.6
"""Times the usual length from which a file holds several episodes."""
_TAIL = 0.72
"""Share of an episode behind which an ending ends."""
_FINAL = 0.8
"""Share of an episode behind which the song of an opening counts as its ending."""
_HEAD = 0.4
"""Share of an episode before which a recap lies, or the ending's song counts as its opening."""
_MOVED = 0.1
"""Share of an episode by which a recap lies earlier than what it repeats."""
_LONGEST_PREVIEW = 75.0
_LONGEST_SCENE = 120.0
"""Seconds of story between an ending and a preview that ends the file."""
_BEHIND = 20.0
"""Seconds behind an ending within which what is repeated is a preview's jingle."""
_PIECES_APART = 15.0
"""Seconds between the pieces of one recap."""
_SHORTEST_LOSS = 2.0
"""Seconds of which a recap may be shorter than what it repeats."""
_MUSIC_IN_IT = 0.6
"""Share of what it is shorter by that other repeated things explain."""
_SUREST, _ALONE = 0.99, 0.08
"""What is repeated is right so often where many files hold it; so much less where two do. Fitted on
made seasons (docs/season.md, tests/avtnet/season/test_calibration.py)."""
_USUAL = (75.0, 110.0)
"""Seconds of nearly all openings and endings (data of 15,488 real episodes: 88 s, sd 2 to 4)."""


@dataclass(frozen=True)
class Claim:
    """What a stretch of one file is, and why."""

    role: Role
    place: Stretch
    identity: int
    """The number of the identity; claims of one song have the same."""
    occurrence: Occurrence
    chance: float
    """How sure it is, 0..1, as far as repetition tells."""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Chunk:
    """One episode of a file: all of it, or a part of a file of several."""

    file: int
    start: float
    end: float

    def share(self, seconds: float) -> float:
        """Where a moment lies in the episode, 0..1."""
        return (seconds - self.start) / (self.end - self.start)


def assign_roles(gathered: MatchGroups, durations: Mapping[int, float]) -> list[Claim]:
    """The claims on all files, in order of file and time.

    Args:
        durations: seconds of each file, numbered in the order of the season's episodes.
    """
    season = _Season(gathered, durations)
    claims = [*season.themes(), *season.from_neighbour()]
    return sorted(claims, key=lambda claim: (claim.place.file, claim.place.start))


class _Season:
    def __init__(self, gathered: MatchGroups, durations: Mapping[int, float]) -> None:
        self._gathered = gathered
        self._durations = durations
        self._usual = statistics.median(durations.values())
        self._groups = {file: file for file in durations}
        for files in gathered.copies:
            for file in files:
                self._groups[file] = files[0]
        self._order = {group: at for at, group in enumerate(sorted(set(self._groups.values())))}
        self._count = len(self._order)
        self._taken: dict[int, list[Claim]] = defaultdict(list)
        """What is claimed of each file so far."""

    def themes(self) -> list[Claim]:
        """Openings, endings, previews' jingles: what several episodes hold at the like place."""
        found = [
            number
            for number, identity in enumerate(self._gathered.identities)
            if SHORTEST_THEME <= identity.seconds <= LONGEST_THEME
            and not self._is_from_neighbour(identity)
        ]
        jingles = [
            number
            for number, identity in enumerate(self._gathered.identities)
            if _SHORTEST_JINGLE <= identity.seconds < SHORTEST_THEME
        ]
        found.sort(key=lambda number: -self._weight(number))
        usual_roles = {number: self._usual_role(number) for number in found}
        for number in found:
            identity = self._gathered.identities[number]
            if usual_roles[number] == "ending" and self._follows_an_ending(identity):
                usual_roles[number] = "preview"
            for occurrence in identity.occurrences:
                claim = self._claim(number, occurrence, usual_roles[number])
                if claim is not None:
                    self._take(claim)
        self._take_moved(found, usual_roles)
        for number in jingles:
            for claim in self._jingle(number):
                self._take(claim)
        return [claim for claims in self._taken.values() for claim in claims]

    def _take(self, claim: Claim) -> None:
        self._taken[claim.place.file].append(claim)

    def from_neighbour(self) -> list[Claim]:
        """Recaps and previews: what an episode takes from the one before, or the one behind."""
        claims: list[Claim] = []
        pieces: dict[tuple[int, Role], list[tuple[int, Occurrence]]] = defaultdict(list)
        perhaps: dict[tuple[int, Role], list[tuple[int, Occurrence]]] = defaultdict(list)
        for number, identity in enumerate(self._gathered.identities):
            for found, moved in ((pieces, _MOVED), (perhaps, 0.0)):
                kind = self._is_from_neighbour(identity, moved)
                if kind is not None:
                    role, occurrence = kind
                    whole = self._whole(identity, occurrence)
                    found[whole.place.file, role].append((number, whole))
                    break
        for (file, role), parts in pieces.items():
            # A piece that is hardly moved is one where it goes on with others that are.
            while more := [part for part in perhaps[file, role] if _is_beside(part, parts)]:
                parts += more
                perhaps[file, role] = [part for part in perhaps[file, role] if part not in more]
            parts.sort(key=lambda part: part[1].place.start)
            for run in _runs(parts):
                total = sum(occurrence.place.seconds for _, occurrence in run)
                if total < SHORTEST_THEME:
                    continue
                place = Stretch(file, run[0][1].place.start, run[-1][1].place.end)
                what = "the episode before" if role == "recap" else "the next episode"
                told = f"{total:.0f} s of {place.seconds:.0f} s are those of {what}"
                number, occurrence = max(run, key=lambda part: part[1].place.seconds)
                claims.append(Claim(role, place, number, occurrence, 0.8, (told,)))
        return claims

    def _whole(self, identity: Identity, from_neighbour: Occurrence) -> Occurrence:
        """As long as what it repeats, where another repeated thing, mostly the story's music, was
        heard in a part of it and took that for itself."""
        place = from_neighbour.place
        missing = max(each.place.seconds for each in identity.occurrences) - place.seconds
        if missing < _SHORTEST_LOSS:
            return from_neighbour
        for start, end in ((place.end, place.end + missing), (place.start - missing, place.start)):
            if start < 0 or end > self._durations[place.file]:
                continue
            lost = Stretch(place.file, start, end)
            if any(lost.common(claim.place) > 0 for claim in self._taken[place.file]):
                continue
            repetition = sum(
                other.place.common(lost)
                for each in self._gathered.identities
                for other in each.within(place.file)
            )
            if repetition >= _MUSIC_IN_IT * missing:
                whole = Stretch(place.file, min(start, place.start), max(end, place.end))
                return replace(from_neighbour, place=whole)
        return from_neighbour

    def _weight(self, number: int) -> float:
        """How much an identity looks like a theme: in many episodes, of the usual length."""
        identity = self._gathered.identities[number]
        held = len({self._groups[file] for file in identity.files})
        low, high = _USUAL
        usual = 1.0 if low <= identity.seconds <= high else 0.6
        return held * usual * min(1.0, identity.seconds / 40.0)

    def _chunk(self, place: Stretch) -> _Chunk:
        """The episode that a place lies in."""
        duration = self._durations[place.file]
        count = max(1, round(duration / self._usual)) if duration > _DOUBLE * self._usual else 1
        length = duration / count
        part = min(count - 1, int((place.start + place.end) / 2 / length))
        return _Chunk(place.file, part * length, (part + 1) * length)

    def _share(self, place: Stretch) -> float:
        """Where its middle lies in its episode, 0..1."""
        return self._chunk(place).share((place.start + place.end) / 2)

    def _usual_role(self, number: int) -> Role:
        identity = self._gathered.identities[number]
        shares = [self._share(each.place) for each in identity.occurrences]
        return "opening" if statistics.median(shares) < 0.5 else "ending"

    def _claim(self, number: int, occurrence: Occurrence, usual_role: Role) -> Claim | None:
        """What an occurrence of a theme is at home; None where its place says otherwise."""
        place = occurrence.place
        chunk = self._chunk(place)
        if self._occupied_by(usual_role, chunk, place):
            return None
        ends = chunk.share(place.end)
        if usual_role == "ending" and ends < _TAIL:
            return None
        if usual_role == "opening" and self._share(place) >= 0.5:
            followed = any(
                other.place.file == place.file and other.place.start >= place.end - 1
                for identity in self._gathered.identities
                for other in identity.occurrences
                if identity.seconds >= SHORTEST_THEME
                and self._share(other.place) >= 0.5
                and identity is not self._gathered.identities[number]
            )
            if not followed and ends >= _FINAL:
                return None  # a guest: see below
        return self._made(usual_role, number, occurrence)

    def _take_moved(self, found: Sequence[int], usual_roles: Mapping[int, Role]) -> None:
        """Songs out of their home: the opening's as an ending, the ending's as an opening."""
        for number in found:
            for occurrence in self._gathered.identities[number].occurrences:
                place = occurrence.place
                if any(claim.place == place for claim in self._taken[place.file]):
                    continue
                chunk = self._chunk(place)
                usual_role = usual_roles[number]
                if usual_role == "opening" and chunk.share(place.end) >= _FINAL:
                    role: Role = "ending"
                elif usual_role == "ending" and chunk.share(place.start) <= _HEAD:
                    role = "opening"
                else:
                    continue
                if not self._occupied_by(role, chunk, place):
                    told = f"the song that is the {usual_role} elsewhere"
                    self._take(self._made(role, number, occurrence, told))

    def _occupied_by(self, role: Role, chunk: _Chunk, place: Stretch) -> Claim | None:
        """What has the role in this episode already, or the place."""
        for claim in self._taken[chunk.file]:
            inside = chunk.start <= (claim.place.start + claim.place.end) / 2 < chunk.end
            if (claim.role == role and inside) or claim.place.common(place) > 1.0:
                return claim
        return None

    def _jingle(self, number: int) -> list[Claim]:
        """Previews by the short music that most of them begin with, up to the end of the file."""
        identity = self._gathered.identities[number]
        if not self._follows_an_ending(identity, within=_LONGEST_PREVIEW):
            return []
        return [
            self._made("preview", number, each)
            for each in identity.occurrences
            if each.place.start < self._durations[each.place.file] <= each.place.end + _TO_THE_END
        ]

    def _follows_an_ending(self, identity: Identity, within: float = _BEHIND) -> bool:
        """Whether it mostly stands right behind an ending, or last in its file somewhere behind
        one: then it is a preview's."""
        if identity.seconds > _LONGEST_PREVIEW:
            return False
        behind = 0
        for occurrence in identity.occurrences:
            place = occurrence.place
            last = self._durations[place.file] - place.end <= _TO_THE_END
            most = max(within, _LONGEST_SCENE) if last else within
            behind += any(
                claim.role == "ending" and -1.0 <= place.start - claim.place.end <= most
                for claim in self._taken[place.file]
            )
        return 2 * behind >= len(identity.occurrences)

    def _is_from_neighbour(
        self, identity: Identity, moved: float = _MOVED
    ) -> tuple[Role, Occurrence] | None:
        """The role and the borrower, where two neighbours hold a thing at different places.

        Music in it that others play gathers it with theirs. It may then be a piece beside others
        (``moved`` is 0), where those two alone hold all of it.
        """
        held = identity.occurrences
        if moved == 0:
            longest = max(each.place.seconds for each in held)
            held = tuple(each for each in held if longest - each.place.seconds < _SHORTEST_LOSS)
        if len(held) != 2:
            return None
        first, second = held
        before = self._order[self._groups[first.place.file]]
        behind = self._order[self._groups[second.place.file]]
        if behind - before != 1:
            return None
        share_first, share_second = self._share(first.place), self._share(second.place)
        if share_second <= _HEAD and share_first - share_second >= moved:
            return "recap", second
        if share_first >= 0.85 and share_first - share_second >= moved:
            return "preview", first
        return None

    def _made(self, role: Role, number: int, occurrence: Occurrence, *told: str) -> Claim:
        identity = self._gathered.identities[number]
        seen = len(occurrence.seen_with)
        chance = _SUREST - _ALONE * 0.5 ** (seen - 1)
        low, high = _USUAL
        if not low <= identity.seconds <= high:
            chance *= 0.97 if seen > 2 else 0.85
        if not occurrence.exact:
            chance *= 0.95
        if occurrence.doubt > 2:
            chance *= 0.97
        held = len({self._groups[file] for file in identity.files})
        reasons = (
            f"{'pictures' if occurrence.by == 'picture' else 'sound'} repeated in {held} of "
            f"{self._count} episodes",
            *told,
        )
        place = occurrence.place
        duration = self._durations[place.file]
        if role == "preview" and place.start < duration <= place.end + _TO_THE_END:
            place = replace(place, end=duration)
        return Claim(role, place, number, occurrence, round(chance, 3), reasons)


def _is_beside(part: tuple[int, Occurrence], parts: Sequence[tuple[int, Occurrence]]) -> bool:
    """Whether a piece touches one of others, or nearly."""
    place = part[1].place
    return any(
        place.start - other.place.end <= _PIECES_APART
        and other.place.start - place.end <= _PIECES_APART
        for _, other in parts
    )


def _runs(
    parts: Sequence[tuple[int, Occurrence]],
) -> list[list[tuple[int, Occurrence]]]:
    """Pieces of one recap together."""
    runs: list[list[tuple[int, Occurrence]]] = []
    for part in parts:
        if runs and part[1].place.start - runs[-1][-1][1].place.end <= _PIECES_APART:
            runs[-1].append(part)
        else:
            runs.append([part])
    return runs
