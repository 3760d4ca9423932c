"""Compose training examples of rendered pieces: each example is a new episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avtnet.dense.inputs import COLUMNS_A_SECOND, Example, boundary_times, class_shares, place
from avtnet.dense.settings import SLOTS
from avtnet.synthesis.library import QUIETEST, STEP_DB, Piece
from avtnet.synthesis.outline import Outline, draw_outline
from avtnet.synthesis.splice import spliced
from avtnet.synthesis.treatment import Treatment, draw_treatment, treat_pictures, treat_sound
from clipping.windows import WINDOW_SECONDS
from preprocess.audio import N_MELS

FILES = {"title", "sponsor", "eyecatch", "logo", "warning"}
"""Kinds of stretches that are filled with pieces of the kind ``card``."""

SONGS = ("opening", "ending")

OVER = 0.25
"""Share of the ends of songs over which the sound of the story continues for a while."""


class Composer:
    """Draws outlines of episodes and fills them with pieces.

    An opening or an ending is one whole piece. A piece has one picture for each second, taken at
    its phase (a fraction of a second), so a song is placed such that these instants are those of
    the example's pictures. All other stretches are filled with as many pieces as they need, cut to
    fit.

    Args:
        seconds: length of an example.
        moments: seconds of the sound's columns after the example's start; None: SLOTS per second.
        spliced: share of the songs whose inside is replaced (:mod:`avtnet.synthesis.splice`).
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        seed: int,
        seconds: int = int(WINDOW_SECONDS),
        moments: np.ndarray | None = None,
        spliced: float = 0.0,
    ) -> None:
        self._by_kind: dict[str, list[Piece]] = {}
        for piece in pieces:
            self._by_kind.setdefault(piece.kind, []).append(piece)
        self.seed, self.seconds, self.spliced = seed, seconds, spliced
        even = (np.arange(seconds * SLOTS) + 0.5) / SLOTS
        self._moments = even if moments is None else moments
        self._rate = 1 / (self._moments[1] - self._moments[0])

    def example(self, index: int, manner: str | None = None) -> Example:
        """Return example ``index``; it depends only on the pieces, the seed and ``index``.

        Args:
            manner: ``start`` begins with its file, ``end`` ends with it, ``any`` lies anywhere;
                None: random.
        """
        rng = np.random.default_rng([self.seed, 21, index])
        outline = draw_outline(self.seed, index, series=index, name="composed")
        drawn = str(rng.choice(["start", "end", "any"], p=[0.42, 0.42, 0.16]))
        manner = manner or drawn
        fraction = 0.0 if manner == "start" else float(rng.uniform(0, 1))
        plan, duration = self._plan(outline, fraction, rng)
        start = 0.0
        if manner != "start":
            latest = max(0.0, duration - self.seconds)
            begin = latest if manner == "end" else rng.uniform(0, latest)
            start = max(0.0, np.floor(begin - fraction) + fraction)
            if begin < fraction:  # the file is shorter than a window: the example starts with it
                plan, duration = self._plan(outline, 0.0, rng)
                start = 0.0
        return self._fill(plan, start, duration, rng, draw_treatment(rng))

    def _pick(self, kind: str, rng: np.random.Generator) -> Piece:
        pieces = self._by_kind["card" if kind in FILES else "story" if kind == "recap" else kind]
        piece = pieces[rng.integers(len(pieces))]
        # No random number is drawn if none is needed, so that older examples stay the same.
        if kind in SONGS and self.spliced and rng.random() < self.spliced:
            return spliced(piece, pieces, rng)
        return piece

    def _plan(
        self, outline: Outline, fraction: float, rng: np.random.Generator
    ) -> tuple[list[_Placed], float]:
        """Place the pieces of an episode; its pictures are at whole seconds plus ``fraction``.

        Returns:
            The placed pieces, and the episode's length in seconds.
        """
        plan: list[_Placed] = []
        at = 0.0
        for stretch in outline.stretches:
            piece = self._pick(stretch.kind, rng)
            if stretch.kind in SONGS:
                head = min(np.floor(stretch.head), np.floor(piece.length) - 4)
                # The song's pictures must fall on those of the example. At the file's start more
                # of the song is cut off; elsewhere the piece before becomes a little longer.
                if at == 0.0:
                    head += (piece.phase - fraction) % 1
                else:
                    gap = (fraction + head - piece.phase - at) % 1
                    plan[-1] = plan[-1].longer(gap)
                    at += gap
                length = piece.length - head
                plan.append(_Placed(piece, stretch.kind, at, at + length, head))
                at += length
                continue
            end = at + stretch.length
            while at < end - 0.05:
                piece = self._pick(stretch.kind, rng)
                length = min(end - at, piece.length, rng.uniform(15, 100))
                plan.append(_Placed(piece, stretch.kind, at, at + length, None))
                at += length
        return plan, at

    def _fill(
        self,
        plan: list[_Placed],
        start: float,
        duration: float,
        rng: np.random.Generator,
        treatment: Treatment,
    ) -> Example:
        count = self.seconds
        frames, text = (
            np.zeros((count, *array.shape[1:]), array.dtype)
            for array in (plan[0].piece.frames, plan[0].piece.text)
        )
        mel = np.zeros((len(self._moments), N_MELS), np.uint8)
        times = self._moments + start
        for placed in plan:
            if placed.end <= start or placed.start >= start + count:
                continue
            first = max(0, int(np.ceil(placed.start - start - 1e-6)))
            last = min(count, int(np.ceil(placed.end - start - 1e-6)))
            piece = placed.piece
            if placed.head is not None:
                zero = placed.start - placed.head
            else:
                spare = max(0, len(piece.frames) - (last - first) - 1)
                zero = start + first - piece.phase - int(rng.integers(0, spare + 1))
            pictures = np.rint(start + np.arange(first, last) - zero - piece.phase).astype(int)
            pictures = np.clip(pictures, 0, len(piece.frames) - 1)
            frames[first:last], text[first:last] = piece.frames[pictures], piece.text[pictures]
            low, high = np.searchsorted(times, (placed.start, placed.end))
            columns = np.rint((times[low:high] - zero) * COLUMNS_A_SECOND).astype(int)
            mel[low:high] = piece.mel[np.clip(columns, 0, len(piece.mel) - 1)]
        decibels = mel.astype(np.float32) * np.float32(STEP_DB) + np.float32(QUIETEST)
        self._add_story_over_songs(decibels, plan, start, rng)
        sound = treat_sound(decibels, treatment)
        frames, text = self.seen(frames, text, treatment, rng)
        # After the file's end the MFCC are zeros, not those of silence (preprocess.audio.mfcc).
        sound[:, times >= duration] = 0
        gone = start + np.arange(count) >= duration
        frames[gone], text[gone] = 0, False
        spans = {each.kind: (each.start, each.end) for each in plan if each.head is not None}
        return Example(
            sound,
            frames,
            text,
            place(start + np.arange(count), duration),
            class_shares(spans, start, count),
            boundary_times(spans, start, count),
            float(start),
            float(duration),
        )

    def seen(
        self, frames: np.ndarray, text: np.ndarray, treatment: Treatment, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the pictures and text of an example after its treatment."""
        return treat_pictures(frames, text, treatment, rng)

    def _add_story_over_songs(
        self,
        decibels: np.ndarray,
        plan: Sequence[_Placed],
        start: float,
        rng: np.random.Generator,
    ) -> None:
        """Add fading sound of the story to the first or last seconds of some songs."""
        for placed in plan:
            for edge, inwards in ((placed.start, 1), (placed.end, -1)):
                if placed.kind not in SONGS or rng.random() > OVER:
                    continue
                length = rng.uniform(0.3, 5)
                gain = rng.uniform(-14, 2)
                story = self._pick("story", rng).mel
                span = sorted((edge - start, edge - start + inwards * length))
                low, high = (int(np.clip(round(t * self._rate), 0, len(decibels))) for t in span)
                if high - low < 2 or len(story) <= high - low:
                    continue
                first = int(rng.integers(len(story) - (high - low)))
                added = story[first : first + high - low].astype(np.float32) * np.float32(STEP_DB)
                fade = np.linspace(0, -30, high - low, dtype=np.float32)[::inwards]
                added += np.float32(QUIETEST + gain) + fade[:, None]
                # Powers of unrelated sounds add up, decibels do not.
                power = 10 ** (decibels[low:high] / 10) + 10 ** (added / 10)
                decibels[low:high] = 10 * np.log10(power)


@dataclass(frozen=True)
class _Placed:
    """A piece in an episode, ``[start, end)`` in seconds."""

    piece: Piece
    kind: str
    start: float
    end: float
    head: float | None
    """Seconds of a song's piece that lie before ``start``; None for other pieces."""

    def longer(self, seconds: float) -> _Placed:
        return _Placed(self.piece, self.kind, self.start, self.end + seconds, self.head)
