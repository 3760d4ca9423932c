"""Openings and endings of a window or a whole episode by AVTNetDense: both ends, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from avtnet.dense.decode import FoundSegment, Probabilities, by_place, decode
from avtnet.dense.info import DenseNetwork, calibrated, check_settings
from avtnet.dense.inputs import Inputs, from_features
from avtnet.dense.onnx_network import shipped_onnx
from avtnet.evidence import NETWORKS, Candidate
from clipping.segments import Segment
from clipping.windows import WINDOW_SECONDS
from preprocess.features import Features

SIGMA = 1.5
"""Standard deviation of its ends in seconds, where a segment is right."""
CHUNK = 480
"""Seconds that the network looks at at once, besides its reach on both sides."""
BATCH_SIZE = 8
"""Windows of 200 s, or seconds that make as many, that go through the network together."""
Part = Callable[[int, int], Inputs]
"""(first, last) → Inputs of these seconds, one row."""


def find_segments(features: Features, checkpoint: DenseNetwork | None = None) -> list[Segment]:
    """The opening and the ending in a window or a whole episode, in media time.

    Args:
        features: of any length; ``settings.window`` says which.
        checkpoint: None takes the weights that are shipped.

    Returns:
        Segments ``opening`` and ``ending``, each at most once, with a score from 0 to 1 and the
        evidence. A segment that touches the window's edge may go on beyond it, and says so.

    Raises:
        FeatureError: where the features are not those that the network was trained on.
        CheckpointError: where the weights cannot be used.
    """
    checkpoint = checkpoint or shipped_onnx()
    check_settings(checkpoint.info.features, features)
    probabilities = evidence(
        checkpoint, partial(from_features, features), features.settings.seconds
    )
    return segments(features, probabilities, checkpoint)


def probabilities_of_many(
    features: Iterable[Features], checkpoint: DenseNetwork, *, batch_size: int = BATCH_SIZE
) -> Iterator[tuple[Features, Probabilities]]:
    """Yield each of many windows or episodes with its evidence, in their order, several at once.

    :func:`segments` makes the segments of one out of it.

    Args:
        features: read as they are needed, ``batch_size`` of them at a time; of any lengths.
        batch_size: see ``BATCH_SIZE``.

    Raises:
        FeatureError: naming the window that was made with other settings than the network wants.
    """
    waiting = iter(features)
    while some := list(islice(waiting, batch_size)):
        for window in some:
            check_settings(checkpoint.info.features, window)
        parts = [(partial(from_features, each), each.settings.seconds) for each in some]
        yield from zip(some, evidence_of_many(checkpoint, parts, batch_size), strict=True)


def segments(
    features: Features, probabilities: Probabilities, checkpoint: DenseNetwork
) -> list[Segment]:
    """Return the opening and the ending that the evidence shows, in media time."""
    placed = by_place(probabilities, features.start, features.duration)
    found = decode(placed, covered=features.covered)
    return [segment_of(each, features.start, features.covered, checkpoint) for each in found]


def window_candidates(
    features: Features, checkpoint: DenseNetwork, *, trust: float = 1.0
) -> list[Candidate]:
    """Return AVTNetDense's segments of a window for :func:`avtnet.evidence.fuse_candidates`.

    An end that the window cuts off is unknown (None); an end at the edge of the file is known.

    Args:
        trust: what its scores are multiplied with, where they count for less.
    """
    seen = features.start, features.start + features.covered
    return [
        segment_candidate(segment, seen, features.duration, features.notes, trust)
        for segment in find_segments(features, checkpoint)
    ]


def segment_candidate(
    segment: Segment,
    seen: tuple[float, float],
    duration: float,
    notes: Sequence[str],
    trust: float,
) -> Candidate:
    """Return a segment that AVTNetDense found in the stretch ``seen`` of a file, as a candidate."""
    begin, last = seen
    cut_start = segment.start <= begin and begin > 0
    cut_end = segment.end >= last - 1e-3 and last < duration - 0.5
    return Candidate(
        NETWORKS,
        "opening" if segment.label == "opening" else "ending",
        None if cut_start else segment.start,
        None if cut_end else segment.end,
        SIGMA,
        (segment.score or 0.0) * trust,
        (*segment.evidence, *notes),
        assumed="the window's edge stands for an end that lies beyond it"
        if cut_start or cut_end
        else "",
    )


def evidence(
    checkpoint: DenseNetwork,
    part: Part,
    seconds: int,
    shown: Sequence[float] | None = None,
) -> Probabilities:
    """Return the network's evidence for so many seconds, computed in chunks of bounded memory.

    It equals that of all seconds at once: the network gets each chunk with all seconds around it
    on which its answer depends (its reach).

    Args:
        shown: which of sound, pictures, text and place are used, of 0 and 1; None: all.
    """
    (probabilities,) = evidence_of_many(checkpoint, [(part, seconds)], 1, shown)
    return probabilities


def evidence_of_many(
    checkpoint: DenseNetwork,
    parts: Sequence[tuple[Part, int]],
    batch_size: int = BATCH_SIZE,
    shown: Sequence[float] | None = None,
) -> list[Probabilities]:
    """Return the evidence for each of many parts; chunks of equal length are one batch."""
    # A chunk [first, last) is read with its surroundings [low, high), which the file's ends cut
    # short. Only the answers for the chunk itself are kept. Rows of a batch must have one length,
    # so the chunks of all parts are sorted by the length that is read.
    reach = checkpoint.info.model.reach
    same: dict[int, list[_Chunk]] = {}
    for number, (_, seconds) in enumerate(parts):
        for first in range(0, seconds, CHUNK):
            last = min(seconds, first + CHUNK)
            chunk = _Chunk(number, first, last, max(0, first - reach), min(seconds, last + reach))
            same.setdefault(chunk.high - chunk.low, []).append(chunk)
    done: dict[tuple[int, int], Probabilities] = {}
    for length, chunks in same.items():
        rows = max(1, batch_size * int(WINDOW_SECONDS) // length)
        for begin in range(0, len(chunks), rows):
            some = chunks[begin : begin + rows]
            inputs = [parts[each.number][0](each.low, each.high) for each in some]
            batch = Inputs(*(np.concatenate(each) for each in zip(*inputs, strict=True)))
            whole = checkpoint.probabilities(batch, shown)
            for row, each in enumerate(some):
                inside = slice(each.first - each.low, each.last - each.low)
                done[each.number, each.first] = Probabilities(
                    *(getattr(whole, name)[row, inside] for name in NAMES)
                )
    return [
        _joined([done[number, first] for first in range(0, seconds, CHUNK)])
        for number, (_, seconds) in enumerate(parts)
    ]


NAMES = ("classes", "peaks", "offsets")


@dataclass(frozen=True)
class _Chunk:
    """Seconds ``[first, last)`` of one of many, seen with those of ``[low, high)``."""

    number: int
    first: int
    last: int
    low: int
    high: int


def _joined(pieces: Sequence[Probabilities]) -> Probabilities:
    return Probabilities(
        *(np.concatenate([getattr(piece, name) for piece in pieces]) for name in NAMES)
    )


def segment_of(
    found: FoundSegment, start: float, covered: float, checkpoint: DenseNetwork
) -> Segment:
    """Return a segment in media time, of one found in ``covered`` seconds from ``start`` on."""
    reason = (
        f"AVTNetDense: {found.label} {found.inside:.0%} sure between its ends, "
        f"start {found.start_peak:.0%}, end {found.end_peak:.0%}"
    )
    cut = [
        f"its {side} is that of the window: it may go on beyond"
        for side, time, edge in (("start", found.start, 0.0), ("end", found.end, covered))
        if time == edge
    ]
    return Segment(
        round(start + found.start, 3),
        round(start + found.end, 3),
        found.label,
        round(calibrated(found.score, checkpoint.info), 3),
        (reason, *cut),
    )
