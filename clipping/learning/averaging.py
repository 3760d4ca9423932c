"""Averaged weights: an exponential moving average of a network in training."""

from __future__ import annotations

import torch
from torch import nn


def blend(average: nn.Module, network: nn.Module, kept: float) -> None:
    """Move the average, norms' statistics included, towards the network.

    Args:
        kept: share of the average that stays, 0..1.
    """
    with torch.no_grad():
        state = network.state_dict()
        for name, value in average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(state[name], 1 - kept)
            else:
                value.copy_(state[name])


def kept_share(averaging: float, updates: int) -> float:
    """Return the share that an average keeps at an update; the first ones keep less.

    So the random first weights are soon forgotten: after n updates an average of about n of them.

    Args:
        averaging: share that is kept in the long run, 0..1.
        updates: updates that were done before this one.
    """
    return min(averaging, (updates + 1) / (updates + 10))
