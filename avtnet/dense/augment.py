"""Random changes of a batch of AVTNetDense: colours, sound, mirroring, missed text."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from avtnet.dense.tensors import Tensors

MISSED = (0.0, 0.1, 0.3)
"""Shares of seconds whose text is not seen, one of them for each window."""

FILTER = (45.0, *(12 / k**0.5 for k in range(1, 20)))
"""Deviation of the constants that a gain and a filter add to 20 MFCC: 1 dB is 11.3 in the first."""


def augment_inputs(inputs: Tensors, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the numbers of a batch, each row with other colours and sound, some mirrored."""
    rng = np.random.default_rng([seed, 22])
    sound, frames, text, where = inputs.numbers()
    rows = len(sound)

    def drawn(*shape: int, scale: float) -> Tensor:
        return torch.from_numpy(rng.normal(0, scale, (rows, *shape)).astype(np.float32))

    tilt = drawn(20, 1, scale=1.0) * torch.tensor(FILTER)[:, None]
    silent = sound.abs().sum(1, keepdim=True) == 0
    sound = sound + tilt * (torch.from_numpy(rng.random((rows, 1, 1)) < 0.8))
    sound = sound + drawn(20, sound.shape[2], scale=2.0) * torch.from_numpy(
        rng.random((rows, 1, 1)) < 0.3
    )
    sound = sound.masked_fill(silent, 0.0)
    gain = torch.exp(drawn(1, 3, 1, 1, scale=0.06) + drawn(1, 1, 1, 1, scale=0.15))
    frames = (frames * gain + drawn(1, 1, 1, 1, scale=0.03)).clamp(0, 1)
    turned = torch.from_numpy(rng.random(rows) < 0.5)
    frames[turned] = frames[turned].flip(-1)
    text[turned] = text[turned].flip(-1)
    missed = float(rng.choice(MISSED))
    kept = torch.from_numpy(rng.random((rows, text.shape[1], 1, 1)) >= missed)
    return sound, frames, text * kept, where
