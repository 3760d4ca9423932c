"""A small AVTNetDense that has learned what an opening is here: bright pictures, loud sound.

Windows are made without media, in the features' real shapes, so that a test takes seconds.
"""

from functools import lru_cache

import numpy as np
import torch

from avtnet.dense.checkpoint import DenseCheckpoint
from avtnet.dense.info import DenseInfo
from avtnet.dense.inputs import (
    Example,
    Inputs,
    boundary_times,
    class_shares,
    from_features,
)
from avtnet.dense.losses import dense_loss
from avtnet.dense.model import AVTNetDense
from avtnet.dense.settings import DenseConfig
from avtnet.dense.tensors import collate
from clipping.identity import Source
from preprocess.features import Features
from preprocess.settings import FeatureSettings

SMALL = DenseConfig(
    sound=(8, 8, 8), frames=(8, 8), text=(4, 8), width=32, dilations=(1, 2, 4), dropout=0.0
)


def window(seconds, opening=None, *, name="ep", side="start", start=0.0, covered=None, seed=0):
    """Features of ``seconds``, bright and loud where the opening is (seconds of the window)."""
    settings = FeatureSettings(window=float(seconds))
    shapes = settings.shapes
    rng = np.random.default_rng([seed, seconds])
    low, high = opening or (-2.0, -1.0)

    def inside(times):
        return (times >= low) & (times < high)

    at = np.arange(shapes["mfcc"][1]) * settings.hop_samples / settings.sample_rate
    bright = np.where(inside(np.arange(seconds)), 180, 60)[:, None, None, None]
    return Features(
        mfcc=(np.where(inside(at), 60, -60) + rng.normal(0, 5, shapes["mfcc"])).astype(np.float32),
        frames=(bright + rng.integers(0, 20, shapes["frames"])).astype(np.uint8),
        text=np.zeros(shapes["text"], bool),
        name=name,
        side=side,
        start=start,
        covered=float(seconds) if covered is None else covered,
        duration=1400.0,
        source=Source(f"{name}.mkv", 1, "0"),
        settings=settings,
    )


@lru_cache(maxsize=1)
def taught():
    """A network that learned a few windows by heart: a second or two."""
    torch.manual_seed(0)
    network = AVTNetDense(SMALL)
    spans = [(9.3, 22.0), (20.75, 40.4), (30.2, 41.7), None]
    inputs, targets = collate([_example(span, seed) for seed, span in enumerate(spans)])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(60):
        loss = dense_loss(network(*inputs.numbers()), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return DenseCheckpoint(None, network.eval(), DenseInfo(model=SMALL, scale=1.5, offset=0.25))


def _example(span, seed, seconds=48):
    given: Inputs = from_features(window(seconds, span, seed=seed))
    spans = {} if span is None else {"opening": span}
    return Example(
        *(array[0] for array in given),
        class_shares(spans, 0.0, seconds),
        boundary_times(spans, 0.0, seconds),
        0.0,
        1400.0,
    )
