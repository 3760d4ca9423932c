"""The plan of a made season: episodes of pieces, each with tracks of sound and a reel.

Nothing here makes a file: :mod:`make_season` does, :mod:`season_scenarios` holds the plans.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from clipping.segments import Segment

FRAMES_PER_SECOND = 8
"""Every boundary lies on a frame, so on a multiple of 0.125 s."""

TrackKind = Literal["opening", "ending", "score", "jingle", "talk", "place"]
ReelKind = Literal["story", "opening", "ending", "card", "black"]


@dataclass(frozen=True)
class Track:
    """One layer of a piece's sound. What is the same in all fields sounds the same."""

    kind: TrackKind
    """Music of :mod:`avtnet.synthesis.music`, people who talk, or the noises of a place."""
    seed: int
    begin: float = 0.0
    """Seconds into the music or the talk at which the piece begins; a multiple of 0.125."""
    length: float | None = None
    """Seconds for which the music is written (then silence); None: until the piece ends."""
    voices: int = 0
    """Who talks; of ``talk`` only."""
    gain: float = 1.0


@dataclass(frozen=True)
class Reel:
    """The picture of a piece: shots that are the same for the same seed."""

    kind: ReelKind
    seed: int = 0
    begin: float = 0.0
    """Seconds into the reel at which the piece begins; a multiple of 0.125."""
    credits: int | None = None
    """Whose names stand in the picture; None: no text."""


@dataclass(frozen=True)
class Piece:
    """A stretch of an episode in one manner."""

    seconds: float
    """Length, a multiple of 0.125."""
    tracks: tuple[Track, ...]
    """The sounds that play at once; none is digital silence."""
    reel: Reel
    label: str = ""
    """``opening``, ``ending``, ``recap``, ``preview`` or ``mixed``; empty: not to be claimed."""
    fades: tuple[float, float] = (0.0, 0.0)
    """Seconds of the picture's fade from black at the start, and to black at the end."""

    def __post_init__(self) -> None:
        times = [self.seconds, self.reel.begin, *(track.begin for track in self.tracks)]
        if self.seconds <= 0 or any(time * FRAMES_PER_SECOND % 1 for time in times):
            raise ValueError(f"lengths and begins are multiples of 0.125 s, got {times}")

    def excerpt(self, begin: float, seconds: float, label: str = "") -> Piece:
        """A part of this piece, as another piece."""
        return replace(
            self,
            seconds=seconds,
            tracks=tuple(
                replace(
                    track,
                    begin=track.begin + begin,
                    length=track.length or track.begin + self.seconds,
                )
                for track in self.tracks
            ),
            reel=replace(self.reel, begin=self.reel.begin + begin),
            label=label,
            fades=(0.0, 0.0),
        )


@dataclass(frozen=True)
class Release:
    """How an episode is encoded."""

    suffix: str
    video: str | None
    """FFmpeg's encoder; None: no picture."""
    audio: str | None
    """FFmpeg's encoder; None: no sound."""
    rate: int = 24000
    """Samples a second."""
    layout: str = "mono"
    gain: float = 1.0
    noise: float | None = None
    """Signal to noise in dB of noise that is added; None: none."""
    tilt: float = 0.0
    """dB by which everything above 1.5 kHz is louder."""
    size: tuple[int, int] = (128, 72)


@dataclass(frozen=True)
class EpisodePlan:
    """One file of a season."""

    name: str
    """Of the file, without its suffix."""
    pieces: tuple[Piece, ...]
    release: Release
    damage: Literal["", "noise", "truncated"] = ""
    """``noise``: no media at all. ``truncated``: the last 40 % of the bytes are missing."""

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.name + self.release.suffix

    @property
    def duration(self) -> float:
        """Seconds of the whole episode, undamaged."""
        return sum(piece.seconds for piece in self.pieces)

    @property
    def truth(self) -> list[Segment]:
        """The labelled spans; touching pieces of one label are one span.

        A start is the first sample of the song (or the excerpt) and the first frame of its picture,
        an end the first sample and frame of what follows. Songs start and end audibly: their last
        fifth of a second is at most 14 dB below the rest.
        """
        spans: list[Segment] = []
        at = 0.0
        for piece in self.pieces:
            end = at + piece.seconds
            if piece.label and spans and spans[-1].label == piece.label and spans[-1].end == at:
                spans[-1] = replace(spans[-1], end=end)
            elif piece.label:
                spans.append(Segment(at, end, piece.label))
            at = end
        if self.damage == "noise":
            return []
        # What a file that is cut short still holds whole, with room for uneven bytes.
        until = 0.5 * at if self.damage == "truncated" else at
        return [span for span in spans if span.end <= until]
