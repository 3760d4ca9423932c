"""Figures of AVTNetDense on composed examples, and the calibration of its scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from avtnet.dense.decode import FoundSegment, Probabilities, by_place, decode
from avtnet.dense.inputs import Example
from avtnet.dense.model import AVTNetDense
from avtnet.dense.settings import BOUNDARIES, CLASSES
from avtnet.dense.tensors import collate
from clipping.judging.judgement import RIGHT_SECONDS

PRESENT = 4
"""Index of the place that is 1 for seconds inside of the file."""


def answer(network: AVTNetDense, example: Example) -> dict[str, FoundSegment]:
    """Return the segments that a network finds in an example, by label."""
    inputs, _ = collate([example])
    device = next(network.parameters()).device
    with torch.inference_mode():
        out = network(*(tensor.to(device) for tensor in inputs.numbers()))
    probabilities = Probabilities(
        out.classes[0].softmax(-1).cpu().numpy(),
        out.peaks[0].sigmoid().cpu().numpy(),
        out.offsets[0].softmax(-1).cpu().numpy(),
    )
    probabilities = by_place(probabilities, example.start, example.duration)
    exists = float((example.place[:, PRESENT] > 0).sum())
    return {each.label: each for each in decode(probabilities, exists)}


def calibrate(network: AVTNetDense, examples: Sequence[Example]) -> tuple[float, float]:
    """Return scale and offset that make scores shares of right segments (Platt scaling, 1999).

    Right is a segment of which every end that lies in the example is within 2 s of the truth.
    """
    logits, right = [], []
    for example in examples:
        for label, found in answer(network, example).items():
            first = 2 * CLASSES[1:].index(label)
            errors = [
                abs(mark - float(time))
                for mark, time in zip(
                    (found.start, found.end), example.times[first : first + 2], strict=True
                )
                if not np.isnan(time)
            ]
            score = min(max(found.score, 1e-4), 1 - 1e-4)
            logits.append(math.log(score / (1 - score)))
            right.append(float(bool(errors) and max(errors) <= RIGHT_SECONDS))
    if not logits:
        return 1.0, 0.0
    # Newton's method, held near scale 1 and offset 0 by a weak prior, for sets that one can divide.
    x = np.stack([np.array(logits), np.ones(len(logits))], axis=1)
    prior, weights = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (chance - right) + (weights - prior)
        curve = (x * (chance * (1 - chance))[:, None]).T @ x + np.eye(2)
        weights = weights - np.linalg.solve(curve, slope)
    return max(0.05, float(weights[0])), float(weights[1])


def measure(network: AVTNetDense, examples: Sequence[Example]) -> dict[str, float]:
    """Return per-second F1 of both classes, share of ends within 1 s, mean error, false alarms."""
    hits: dict[str, list[float]] = {name: [] for name in BOUNDARIES}
    false, without, right, said, true = 0, 0, 0.0, 0.0, 0.0
    for example in examples:
        found = answer(network, example)
        for number, label in enumerate(CLASSES[1:], start=1):
            share, mine = example.classes[:, number], np.zeros(len(example.classes))
            if label in found:
                mine = np.clip(
                    np.minimum(np.arange(1, len(mine) + 1), found[label].end)
                    - np.maximum(np.arange(len(mine)), found[label].start),
                    0,
                    1,
                )
            right += float(np.minimum(share, mine).sum())
            said, true = said + float(mine.sum()), true + float(share.sum())
            if share.sum() == 0:
                without, false = without + 1, false + (label in found)
            for side in range(2):
                time = example.times[2 * number - 2 + side]
                if np.isnan(time):
                    continue
                mark = (found[label].start, found[label].end)[side] if label in found else np.inf
                hits[BOUNDARIES[2 * number - 2 + side]].append(abs(mark - float(time)))
    errors = np.concatenate([np.array(each) for each in hits.values()])
    known = errors[np.isfinite(errors)]
    metrics = {
        "f1": 2 * right / max(1e-9, said + true),
        "hit1": float(np.mean(errors <= 1)),
        "hit0.5": float(np.mean(errors <= 0.5)),
        "missed": float(np.mean(~np.isfinite(errors))),
        "mean_error": float(known.mean()) if len(known) else math.inf,
        "false": false / max(1, without),
    }
    return metrics
