"""A series: what its episodes have in common, and how an episode of it is put together."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from making.season_plan import FRAMES_PER_SECOND, EpisodePlan, Piece, Reel, Release, Track

Scale = Literal["test", "full"]
Pieces = tuple[Piece, ...]

RELEASES = (
    Release(".mkv", "libx264", "aac", 24000, gain=0.8),
    Release(".mp4", "libx264", "aac", 22050, gain=0.4, tilt=-3.0),
    Release(".webm", "libvpx-vp9", "libopus", 24000),
    Release(".mkv", "libx264", "flac", 32000, gain=0.25, noise=20.0),
    Release(".mkv", "libx264", "ac3", 32000, gain=0.6, tilt=2.0),
    Release(".mp4", "mpeg4", "flac", 22050, gain=0.9, noise=30.0),
    Release(".webm", "libvpx", "libopus", 24000, gain=0.5, tilt=1.0),
    Release(".mkv", "libx264", "libmp3lame", 24000, gain=0.7),
)
"""Episode after episode is in the next of these."""


@dataclass(frozen=True)
class Series:
    """The parts that the episodes of a season have in common."""

    name: str
    seed: int
    scale: Scale

    @property
    def full(self) -> bool:
        return self.scale == "full"

    def key(self, *what: object) -> int:
        """A seed for something, unlike any other's."""
        return zlib.crc32(repr((self.name, self.seed, *what)).encode())

    def rng(self, *what: object) -> np.random.Generator:
        return np.random.default_rng(self.key("rng", *what))

    def count(self, test: int = 4) -> int:
        """How many episodes."""
        return 6 if self.full else test

    def at(self, seconds: float) -> float:
        """A time of a 24 minute episode in one of this scale."""
        return snapped(seconds if self.full else seconds / 10)

    def length(self, kind: str) -> float:
        """Of the opening or the ending, the same in the whole season."""
        rng = self.rng("length", kind)
        mean, deviation = {"opening": (88.1, 1.8), "ending": (87.9, 2.0)}[kind]
        return snapped(rng.normal(mean, deviation) if self.full else rng.uniform(20.5, 25))

    def opening(
        self, number: int, which: str = "A", *, seconds: float | None = None, label: str = "opening"
    ) -> Piece:
        """The opening: its staff's names differ from episode to episode."""
        return Piece(
            snapped(seconds or self.length("opening")),
            (Track("opening", self.key("opening", which)),),
            Reel("opening", self.key("opening reel", which), credits=self.key("staff", number)),
            label,
            self._fades("opening"),
        )

    def ending(
        self, number: int, which: str = "A", *, reel: str = "A", seconds: float | None = None
    ) -> Piece:
        """The ending, with the pictures of ``reel``."""
        return Piece(
            snapped(seconds or self.length("ending")),
            (Track("ending", self.key("ending", which)),),
            Reel("ending", self.key("ending reel", reel), credits=self.key("cast", number)),
            "ending",
            self._fades("ending"),
        )

    def _fades(self, kind: str) -> tuple[float, float]:
        rng = self.rng("fades", kind)
        return float(rng.choice([0, 0, 0.5])), float(rng.choice([0, 0.5, 1.0]))

    def story(self, seconds: float, *what: object, voices: str = "") -> Pieces:
        """Scenes of 20 to 60 s: people talk in a place, in some over one of three pieces of music.

        Args:
            voices: of another dub: others say something of the same length at the same time.
        """
        seconds = snapped(seconds)
        rng = self.rng("story", *what)
        scenes: list[Piece] = []
        done = 0.0
        while done < seconds:
            size = min(snapped(rng.uniform(20, 60)), seconds - done)
            if seconds - done - size < 5:
                size = seconds - done
            tracks = [
                Track("talk", self.key("talk", *what), begin=done, voices=self.key("cast", voices)),
                Track("place", self.key("place", *what), begin=done),
            ]
            score, begin, gain = rng.integers(9), rng.uniform(0, 20), rng.uniform(0.15, 0.45)
            if score < 3:
                tracks.append(
                    Track(
                        "score",
                        self.key("score", score),
                        begin=snapped(begin),
                        length=90.0,
                        gain=round(float(gain), 2),
                    )
                )
            reel = Reel("story", self.key("reel", *what), begin=done)
            scenes.append(Piece(size, tuple(tracks), reel))
            done += size
        return tuple(scenes)

    def card(self, kind: str, seconds: float) -> Piece:
        """A still with a jingle, shared by all: a logo, an eyecatch."""
        return Piece(
            snapped(seconds),
            (Track("jingle", self.key("jingle", kind)),),
            Reel("card", self.key("card", kind)),
        )

    def preview(self, following: Pieces, number: int, *, jingle: bool) -> Pieces:
        """Shots of the next episode under somebody who announces it, with music or without."""
        shot = 3.0 if self.full else 2.5
        shots = 8 if self.full else 4
        told = [p for p in following if p.reel.kind == "story" and p.seconds > shot]
        tracks = [Track("talk", self.key("announced", number), voices=self.key("cast", ""))]
        if jingle:
            tracks.append(Track("jingle", self.key("preview"), length=shot * shots))
        else:
            tracks.append(Track("place", self.key("announced", number)))
        rng = self.rng("preview", number)
        pieces = []
        for k in range(shots):
            scene = told[int(rng.integers(len(told)))]
            begin = snapped(rng.uniform(0, scene.seconds - shot))
            here = tuple(replace(track, begin=k * shot) for track in tracks)
            pieces.append(replace(scene.excerpt(begin, shot, "preview"), tracks=here))
        return tuple(pieces)

    def opening_at(self, number: int) -> float:
        """Return the start of an episode's opening: spread like real ones."""
        rng = self.rng("opening at", number)
        centre = self.rng("opening centre").uniform(20, 110)
        if rng.random() < 0.5:
            return self.at(max(0.0, rng.normal(centre, 15)))
        shares = [0, 0.148, 0.456, 0.731, 0.926, 1]
        return self.at(float(np.interp(rng.random(), shares, [0, 5, 60, 110, 200, 420])))

    def duration(self, number: int) -> float:
        return self.at(self.rng("duration", number).uniform(1410, 1445))

    def body(
        self,
        number: int,
        *,
        opening: Piece | None,
        ending: Piece | None,
        opening_at: float | None = None,
        before: Pieces = (),
        after: Sequence[Piece] = (),
        bumper: bool = False,
        dub: str = "",
    ) -> Pieces:
        """An episode: story around the opening, and until the ending.

        Args:
            opening_at: where it starts, in seconds; None: spread like real ones.
            before: what comes first of all.
            after: what follows the ending.
            bumper: two cards in the middle of the story.
            dub: whose voices.
        """
        at = self.opening_at(number) if opening_at is None else opening_at
        first = sum(piece.seconds for piece in before)
        songs = sum(each.seconds for each in (opening, ending) if each is not None)
        total = self.duration(number) if self.full else self.duration(number) * 0.45 + songs
        pieces = list(before)
        if opening is not None:
            cold = snapped(at - first)
            if 0 < cold < 1:
                cold = 0.0
            if cold > 0:
                pieces += self.story(cold, number, "cold", voices=dub)
            pieces.append(opening)
        used = sum(piece.seconds for piece in pieces)
        rest = total - used - sum(piece.seconds for piece in after)
        rest = max(rest - (ending.seconds if ending else 0.0), self.at(120))
        if bumper:
            half = snapped(rest / 2)
            pieces += self.story(half, number, "A", voices=dub)
            pieces += [self.card("A part", 4.0), self.card("B part", 5.0)]
            pieces += self.story(rest - half, number, "B", voices=dub)
        else:
            pieces += self.story(rest, number, "A", voices=dub)
        if ending is not None:
            pieces.append(ending)
        return tuple(pieces) + tuple(after)

    def plan(self, number: int, pieces: Pieces, *, release: Release | None = None) -> EpisodePlan:
        return EpisodePlan(
            f"{self.name.title().replace('_', ' ')} S01E{number:02d}",
            pieces,
            release or RELEASES[(self.key("releases") + number) % len(RELEASES)],
        )


def snapped(seconds: float) -> float:
    """To the next frame."""
    return round(seconds * FRAMES_PER_SECOND) / FRAMES_PER_SECOND


def taken(pieces: Pieces, begin: float, end: float, label: str) -> Pieces:
    """Sound and picture between two times of an episode, under a label."""
    found = []
    at = 0.0
    for piece in pieces:
        first, last = max(begin, at), min(end, at + piece.seconds)
        if first < last:
            found.append(piece.excerpt(first - at, last - first, label))
        at += piece.seconds
    return tuple(found)
