"""AVTNetDense on all seconds of an episode, at constant memory."""

from __future__ import annotations

from avtnet.dense import inference
from avtnet.dense.decode import by_place, decode
from avtnet.dense.inference import Part
from avtnet.dense.info import DenseNetwork, check_settings
from avtnet.dense.inputs import Inputs, from_features
from avtnet.dense.onnx_network import shipped_onnx
from avtnet.evidence import Candidate
from clipping.segments import Segment
from preprocess.episode import Episode

_MARGIN = 1
"""Seconds read on both sides of a part: the MFCC of its first and last columns depend on them."""


def find_segments_in_episode(
    episode: Episode, checkpoint: DenseNetwork | None = None
) -> list[Segment]:
    """Return the opening and the ending of a whole episode, wherever they are.

    The episode is a file of ``python -m preprocess --sides whole``; for windows see
    :func:`avtnet.dense.inference.find_segments`.

    Its file is read in parts: of an episode of any length some 30 MB are in memory at once.

    Raises:
        FeatureError: where the file is damaged, or was made with other settings than the network
            was trained on.
        CheckpointError: where the weights cannot be used.
    """
    checkpoint = checkpoint or shipped_onnx()
    check_settings(checkpoint.info.features, episode)
    probabilities = inference.evidence(checkpoint, part_reader(episode), episode.seconds)
    probabilities = by_place(probabilities, 0.0, episode.duration)
    return [
        inference.segment_of(each, 0.0, episode.duration, checkpoint)
        for each in decode(probabilities, covered=episode.duration)
    ]


def episode_candidates(
    episode: Episode, checkpoint: DenseNetwork, *, trust: float = 1.0
) -> list[Candidate]:
    """Return the candidates of a episode; see :func:`avtnet.dense.inference.window_candidates`."""
    found = find_segments_in_episode(episode, checkpoint)
    return [
        inference.segment_candidate(
            each, (0.0, episode.duration), episode.duration, episode.notes, trust
        )
        for each in found
    ]


def part_reader(episode: Episode) -> Part:
    """Reads a stretch of an episode as the network takes it."""

    def read(first: int, last: int) -> Inputs:
        begin = max(0, first - _MARGIN)
        window = episode.window(begin, "start", last + _MARGIN - begin)
        return from_features(window, first - begin, last - begin)

    return read
