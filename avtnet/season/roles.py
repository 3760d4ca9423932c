"""Give each repeated stretch a role: opening, ending, recap, preview, or none.

The input are identities: one piece of sound or picture with all places (occurrences) at which the
files of a season hold it. The steps, in order:

1. An identity of 15 to 240 s has a usual role: ``opening`` if the median of its places lies in
   the first half of the episode, else ``ending``. Identities in many episodes and of the usual
   length choose first (:meth:`_Season._weight`). An episode has one opening and one ending.
2. An identity that mostly follows an ending directly, or ends the file soon after one, is a
   ``preview``, not a second ending.
3. An occurrence far from its usual place (the opening's song under the credits of the first
   episode) takes the role of the place where it lies, if that role is still free there.
4. A jingle of 8 to 15 s between an ending and the end of the file begins a ``preview``.
5. A stretch that only two consecutive episodes hold, at different places, was taken by one from
   the other: early in the later episode it is a ``recap``, at the end of the earlier episode it
   is a ``preview``.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clipping.repeats.identities import Identity, MatchGroups, Occurrence, Stretch
from clipping.segments import Role

SHORTEST_THEME = 15.0
"""Seconds of the shortest opening or ending; shorter repeats are logos, bumpers, eyecatches."""
LONGEST_THEME = 240.0
"""Seconds of the longest opening or ending."""
_SHORTEST_JINGLE = 8.0
"""Seconds of the shortest jingle that begins a preview."""
_TO_THE_END = 3.0
"""A stretch that ends at most so many seconds before the end of the file lasts to its end."""
_DOUBLE = 1.6
"""Smallest ratio to the median length from which a file holds several episodes."""
_TAIL = 0.72
"""Earliest end of an ending, as a share of the episode."""
_FINAL = 0.8
"""Earliest end of an opening's song that serves as the ending, as a share of the episode."""
_HEAD = 0.4
"""Latest start of a recap, or of an ending's song that serves as the opening, as a share of the
episode."""
_EARLIEST_PREVIEW = 0.85
"""Earliest middle of a preview that repeats the next episode, as a share of the episode."""
_MOVED = 0.1
"""Smallest shift between a recap and the scene that it repeats, as a share of the episode."""
_LONGEST_PREVIEW = 75.0
"""Seconds of the longest preview."""
_LONGEST_SCENE = 120.0
"""Longest story, in seconds, between an ending and a preview that ends the file."""
_BEHIND = 20.0
"""Largest gap, in seconds, between an ending and the preview that follows it directly."""
_PIECES_APART = 15.0
"""Largest gap, in seconds, between two pieces of one recap."""
_SHORTEST_LOSS = 2.0
"""Smallest difference, in seconds, between a recap and its scene that is examined."""
_MUSIC_IN_IT = 0.6
"""Smallest share of the missing seconds that other repeated sounds must cover before a recap is
lengthened."""
_SUREST, _ALONE = 0.99, 0.08
"""Confidence of a role found in many files, and how much lower it is if only two files share it.
Fitted on made seasons (docs/measured/season.md, tests/avtnet/season/test_calibration.py)."""
_USUAL = (75.0, 110.0)
"""Shortest and longest of nearly all openings and endings, in seconds (data of 15,488 real
episodes: mean 88 s, standard deviation 2 to 4 s)."""


@dataclass(frozen=True)
class Claim:
    """The role of a stretch of one file, and the reasons for it."""

    role: Role
    place: Stretch
    identity: int
    """Number of the identity; all claims of one song have the same."""
    occurrence: Occurrence
    """The repeated stretch; ``place`` may be longer or shorter than it."""
    chance: float
    """Probability that the role is right, 0..1, from repetition alone."""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Chunk:
    """One episode of a file: all of the file, or a part of a file that holds several episodes."""

    file: int
    start: float
    end: float

    def share(self, seconds: float) -> float:
        """Return the position of a moment of the file in the episode, 0..1."""
        return (seconds - self.start) / (self.end - self.start)


def assign_roles(groups: MatchGroups, durations: Mapping[int, float]) -> list[Claim]:
    """Return the claims on all files, in order of file and time.

    Args:
        durations: seconds of each file, numbered in the order of the season's episodes.
    """
    season = _Season(groups, durations)
    claims = [*season.themes(), *season.from_neighbour()]
    return sorted(claims, key=lambda claim: (claim.place.file, claim.place.start))


class _Season:
    """The identities of a season and the roles that are given so far."""

    def __init__(self, groups: MatchGroups, durations: Mapping[int, float]) -> None:
        self._match_groups = groups
        self._durations = durations
        self._usual = statistics.median(durations.values())
        # Copies of one episode (another encode, the same file twice) count as one episode.
        self._first_copy = {file: file for file in durations}
        for files in groups.copies:
            for file in files:
                self._first_copy[file] = files[0]
        self._order = {group: at for at, group in enumerate(sorted(set(self._first_copy.values())))}
        self._count = len(self._order)
        self._taken: dict[int, list[Claim]] = defaultdict(list)
        """Claims of each file so far."""

    def themes(self) -> list[Claim]:
        """Return openings, endings and previews: steps 1 to 4 of the module's docstring."""
        found = [
            number
            for number, identity in enumerate(self._match_groups.identities)
            if SHORTEST_THEME <= identity.seconds <= LONGEST_THEME
            and not self._is_from_neighbour(identity)
        ]
        jingles = [
            number
            for number, identity in enumerate(self._match_groups.identities)
            if _SHORTEST_JINGLE <= identity.seconds < SHORTEST_THEME
        ]
        # An episode has each role once, and the first claim gets it: so the identities that look
        # most like a theme claim their places first.
        found.sort(key=lambda number: -self._weight(number))
        usual_roles = {number: self._usual_role(number) for number in found}
        for number in found:
            identity = self._match_groups.identities[number]
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
        """Return recaps and previews: scenes of the episode before, or of the next one (step 5).

        Pieces of one recap that lie close together become one claim. A piece that lies at nearly
        the same place in both episodes may be the story's music instead; it counts only next to a
        piece that is clearly moved.
        """
        claims: list[Claim] = []
        pieces: dict[tuple[int, Role], list[tuple[int, Occurrence]]] = defaultdict(list)
        doubtful: dict[tuple[int, Role], list[tuple[int, Occurrence]]] = defaultdict(list)
        for number, identity in enumerate(self._match_groups.identities):
            for found, moved in ((pieces, _MOVED), (doubtful, 0.0)):
                kind = self._is_from_neighbour(identity, moved)
                if kind is not None:
                    role, occurrence = kind
                    whole = self._whole(identity, occurrence)
                    found[whole.place.file, role].append((number, whole))
                    break
        for (file, role), parts in pieces.items():
            # Each piece that is added may itself be next to a further doubtful one.
            while more := [part for part in doubtful[file, role] if _is_next_to(part, parts)]:
                parts += more
                doubtful[file, role] = [part for part in doubtful[file, role] if part not in more]
            parts.sort(key=lambda part: part[1].place.start)
            for run in _runs(parts):
                total = sum(occurrence.place.seconds for _, occurrence in run)
                if total < SHORTEST_THEME:
                    continue
                place = Stretch(file, run[0][1].place.start, run[-1][1].place.end)
                origin = "the episode before" if role == "recap" else "the next episode"
                reason = f"{total:.0f} s of {place.seconds:.0f} s are those of {origin}"
                number, occurrence = max(run, key=lambda part: part[1].place.seconds)
                claims.append(Claim(role, place, number, occurrence, 0.8, (reason,)))
        return claims

    def _whole(self, identity: Identity, from_neighbour: Occurrence) -> Occurrence:
        """Return the occurrence, lengthened to the scene that it repeats if a part was lost.

        Music of the story that plays in the scene and in other episodes too is an identity of its
        own, and its seconds are then missing from the recap. The seconds behind the occurrence are
        tried first, then those in front of it.
        """
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
            repeated = sum(
                other.place.common(lost)
                for each in self._match_groups.identities
                for other in each.within(place.file)
            )
            if repeated >= _MUSIC_IN_IT * missing:
                whole = Stretch(place.file, min(start, place.start), max(end, place.end))
                return replace(from_neighbour, place=whole)
        return from_neighbour

    def _weight(self, number: int) -> float:
        """Return how much an identity looks like a theme: more episodes, and the usual length."""
        identity = self._match_groups.identities[number]
        episodes = len({self._first_copy[file] for file in identity.files})
        low, high = _USUAL
        usual = 1.0 if low <= identity.seconds <= high else 0.6
        return episodes * usual * min(1.0, identity.seconds / 40.0)

    def _chunk(self, place: Stretch) -> _Chunk:
        """Return the episode in which the middle of a place lies."""
        duration = self._durations[place.file]
        # A file much longer than the season's median holds episodes of equal length.
        count = max(1, round(duration / self._usual)) if duration > _DOUBLE * self._usual else 1
        length = duration / count
        part = min(count - 1, int((place.start + place.end) / 2 / length))
        return _Chunk(place.file, part * length, (part + 1) * length)

    def _share(self, place: Stretch) -> float:
        """Return the position of a place's middle in its episode, 0..1."""
        return self._chunk(place).share((place.start + place.end) / 2)

    def _usual_role(self, number: int) -> Role:
        """Return the role of the place at which most episodes hold an identity."""
        identity = self._match_groups.identities[number]
        shares = [self._share(each.place) for each in identity.occurrences]
        return "opening" if statistics.median(shares) < 0.5 else "ending"

    def _claim(self, number: int, occurrence: Occurrence, usual_role: Role) -> Claim | None:
        """Return the claim of an occurrence to its usual role; None if its place contradicts it."""
        place = occurrence.place
        chunk = self._chunk(place)
        if self._occupied_by(usual_role, chunk, place):
            return None
        end_share = chunk.share(place.end)
        if usual_role == "ending" and end_share < _TAIL:
            return None
        if usual_role == "opening" and self._share(place) >= 0.5:
            # So late it is still the opening if another theme follows, or if it ends too early to
            # be the ending. Otherwise the opening's song serves as the ending here.
            followed = any(
                other.place.file == place.file and other.place.start >= place.end - 1
                for identity in self._match_groups.identities
                for other in identity.occurrences
                if identity.seconds >= SHORTEST_THEME
                and self._share(other.place) >= 0.5
                and identity is not self._match_groups.identities[number]
            )
            if not followed and end_share >= _FINAL:
                return None  # claimed by _take_moved
        return self._made(usual_role, number, occurrence)

    def _take_moved(self, found: Sequence[int], usual_roles: Mapping[int, Role]) -> None:
        """Claim songs far from their usual place: the opening's as an ending, or the reverse."""
        for number in found:
            for occurrence in self._match_groups.identities[number].occurrences:
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
                    reason = f"the song that is the {usual_role} elsewhere"
                    self._take(self._made(role, number, occurrence, reason))

    def _occupied_by(self, role: Role, chunk: _Chunk, place: Stretch) -> Claim | None:
        """Return the claim that holds this role in the episode, or this place; None if free."""
        for claim in self._taken[chunk.file]:
            inside = chunk.start <= (claim.place.start + claim.place.end) / 2 < chunk.end
            if (claim.role == role and inside) or claim.place.common(place) > 1.0:
                return claim
        return None

    def _jingle(self, number: int) -> list[Claim]:
        """Return previews by a jingle that follows the ending and lasts to the end of the file."""
        identity = self._match_groups.identities[number]
        if not self._follows_an_ending(identity, within=_LONGEST_PREVIEW):
            return []
        return [
            self._made("preview", number, each)
            for each in identity.occurrences
            if each.place.start < self._durations[each.place.file] <= each.place.end + _TO_THE_END
        ]

    def _follows_an_ending(self, identity: Identity, within: float = _BEHIND) -> bool:
        """Return whether an identity follows an ending in at least half of its places.

        It follows if it starts at most ``within`` seconds behind the ending, or, if it is the last
        thing in its file, at most _LONGEST_SCENE behind it: a scene may come after the credits.
        """
        if identity.seconds > _LONGEST_PREVIEW:
            return False
        following = 0
        for occurrence in identity.occurrences:
            place = occurrence.place
            last = self._durations[place.file] - place.end <= _TO_THE_END
            largest_gap = max(within, _LONGEST_SCENE) if last else within
            following += any(
                claim.role == "ending" and -1.0 <= place.start - claim.place.end <= largest_gap
                for claim in self._taken[place.file]
            )
        return 2 * following >= len(identity.occurrences)

    def _is_from_neighbour(
        self, identity: Identity, moved: float = _MOVED
    ) -> tuple[Role, Occurrence] | None:
        """Return the role and the repeating occurrence if two consecutive episodes share a scene.

        Args:
            moved: smallest shift between the two places, as a share of the episode. With 0, an
                identity may have further, shorter occurrences: music in the scene that other
                episodes play too joins their places to it. Only the two longest then count.
        """
        # A recap repeats, near the start of an episode, a scene that came later in the one before.
        # A preview shows, near the end of an episode, a scene that comes earlier in the next one.
        occurrences = identity.occurrences
        if moved == 0:
            longest = max(each.place.seconds for each in occurrences)
            occurrences = tuple(
                each for each in occurrences if longest - each.place.seconds < _SHORTEST_LOSS
            )
        if len(occurrences) != 2:
            return None
        first, second = occurrences
        earlier = self._order[self._first_copy[first.place.file]]
        later = self._order[self._first_copy[second.place.file]]
        if later - earlier != 1:
            return None
        share_first, share_second = self._share(first.place), self._share(second.place)
        if share_second <= _HEAD and share_first - share_second >= moved:
            return "recap", second
        if share_first >= _EARLIEST_PREVIEW and share_first - share_second >= moved:
            return "preview", first
        return None

    def _made(self, role: Role, number: int, occurrence: Occurrence, *more_reasons: str) -> Claim:
        """Return a claim with its confidence: the more files share it, the surer it is."""
        identity = self._match_groups.identities[number]
        siblings = len(occurrence.seen_with)
        # Each further sibling halves the part of the doubt that a single one leaves.
        chance = _SUREST - _ALONE * 0.5 ** (siblings - 1)
        low, high = _USUAL
        if not low <= identity.seconds <= high:
            chance *= 0.97 if siblings > 2 else 0.85
        if not occurrence.exact:
            chance *= 0.95
        if occurrence.doubt > 2:
            chance *= 0.97
        episodes = len({self._first_copy[file] for file in identity.files})
        reasons = (
            f"{'pictures' if occurrence.by == 'picture' else 'sound'} repeated in {episodes} of "
            f"{self._count} episodes",
            *more_reasons,
        )
        place = occurrence.place
        duration = self._durations[place.file]
        if role == "preview" and place.start < duration <= place.end + _TO_THE_END:
            place = replace(place, end=duration)
        return Claim(role, place, number, occurrence, round(chance, 3), reasons)


def _is_next_to(part: tuple[int, Occurrence], parts: Sequence[tuple[int, Occurrence]]) -> bool:
    """Return whether a piece lies at most _PIECES_APART seconds from one of ``parts``."""
    place = part[1].place
    return any(
        place.start - other.place.end <= _PIECES_APART
        and other.place.start - place.end <= _PIECES_APART
        for _, other in parts
    )


def _runs(
    parts: Sequence[tuple[int, Occurrence]],
) -> list[list[tuple[int, Occurrence]]]:
    """Divide pieces, sorted by time, into recaps: a gap above _PIECES_APART ends one."""
    runs: list[list[tuple[int, Occurrence]]] = []
    for part in parts:
        if runs and part[1].place.start - runs[-1][-1][1].place.end <= _PIECES_APART:
            runs[-1].append(part)
        else:
            runs.append([part])
    return runs
