"""The loss of AVTNetDense's evidence against the truth."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from avtnet.dense.model import Evidence
from avtnet.dense.settings import BINS, REACH
from avtnet.dense.tensors import Targets

NEAR = 1.0
"""Standard deviation in seconds of the bell that is a boundary's peak."""


def dense_loss(out: Evidence, targets: Targets) -> Tensor:
    """Return the mean loss of a batch: classes, peaks and offsets together."""
    return sum(dense_terms(out, targets).values(), start=out.classes.new_zeros(()))


def dense_terms(out: Evidence, targets: Targets) -> dict[str, Tensor]:
    """Return the three parts of the loss.

    Classes: cross entropy with the share of each class in a second. Peaks: cross entropy with a
    bell over the boundary; the many seconds that are clearly without one weigh less (a focal loss,
    as in CenterNet: Zhou et al., Objects as Points, 2019). Offsets: cross entropy with the two bins
    next to the boundary (distribution focal loss: Li et al., Generalized Focal Loss, 2020), over
    the seconds within REACH of one. Of a second without any class nothing is known, and it adds
    nothing to the loss.
    """
    logs = functional.log_softmax(out.classes, dim=-1)
    classes = -(targets.classes * logs).sum(-1).mean()
    distance = from_middles(targets.times, out.peaks.shape[1])  # (B, T, 4); NaN: no such boundary
    known = ~distance.isnan()
    bell = torch.where(known, torch.exp(-(distance**2) / (2 * NEAR**2)), 0.0)
    chance = out.peaks.sigmoid()
    entropy = functional.binary_cross_entropy_with_logits(out.peaks, bell, reduction="none")
    # Divided by the boundaries of the batch, not by its seconds: a boundary weighs the same in a
    # short window and in a whole episode.
    count = (~targets.times.isnan()).sum().clamp(min=1)
    labelled = targets.classes.sum(-1, keepdim=True) > 0
    peaks = (entropy * (bell - chance).abs() * labelled).sum() / count
    near = known & (distance.abs() < REACH)
    # The true distance lies between two bins; the target gives each of them a share, the nearer
    # one more (place 3.25: bin 3 gets 0.75, bin 4 gets 0.25), so their mean is the true distance.
    place = (distance[near] + REACH) / (2 * REACH) * (BINS - 1)
    low = place.floor().clamp(0, BINS - 2)
    share = (place - low)[:, None]
    bins = functional.log_softmax(out.offsets[near], dim=-1)
    at = low.long()[:, None]
    offsets = -(bins.gather(1, at) * (1 - share) + bins.gather(1, at + 1) * share)
    mean = offsets.sum() / near.sum().clamp(min=1)
    return {"classes": classes, "peaks": 0.25 * peaks, "offsets": 0.2 * mean}


def from_middles(times: Tensor, seconds: int) -> Tensor:
    """Return the seconds from the middle of each second to each boundary (B, 4): (B, T, 4)."""
    middles = torch.arange(seconds, device=times.device) + 0.5
    return times[:, None, :] - middles[None, :, None]
