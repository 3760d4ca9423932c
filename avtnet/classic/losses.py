"""The loss of a batch of positions against the truth, in seconds (docs/original.md: Networks).

A loss is a list of terms, each a sum and the number of windows in it, so that several processes
can divide by what they hold together: the gradient is then the same however a batch is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, distributed
from torch.nn import functional

from avtnet.classic.config import ModelConfig
from avtnet.classic.model import Positions, cell_of
from clipping.windows import WINDOW_SECONDS


class Term(NamedTuple):
    """A part of the loss: seconds added up over some of the batch's windows."""

    total: Tensor
    """Scalar with gradient, seconds."""
    windows: Tensor
    """Scalar: the windows in it; may be 0."""


def loss_terms(
    out: Positions, target: Tensor, config: ModelConfig, steps: float = 0.0
) -> list[Term]:
    """Return the terms for positions and ``target`` (B,), both shares of the window.

    AVTNet and AVTNet2: smooth L1 on seconds. YOLT: L1 of the first look, plus L1 of the second
    inside its cell over the windows whose cell is the true one (there may be none).

    Args:
        steps: weight of what the original has not: L1 of every step's value to 1 before the
            boundary and 0 behind it, added up over the window, so in seconds, too. The positions
            are layers on these values, which one number a window teaches slowly.
    """
    return [*_position_terms(out, target, config), *_step_terms(out, target, steps)]


def _step_terms(out: Positions, target: Tensor, weight: float) -> list[Term]:
    if not weight:
        return []
    terms = []
    for values in out.values:
        count = values.shape[1]
        # The true value of step k: 1 before the boundary, 0 behind it, a share in its own step.
        before = target[:, None] * count - torch.arange(count, device=target.device)
        apart = (values - before.clamp(0, 1)).abs().sum() * (WINDOW_SECONDS / count)
        terms.append(Term(weight * apart, target.new_tensor(float(len(target)))))
    return terms


def song_term(logits: Tensor, songs: Tensor, weight: float) -> Term:
    """Return the cross entropy of every step, added up over the window, where the song is known.

    Args:
        logits: (B, T), that a step is inside of the song.
        songs: (B, 2), its start and end as shares of the window; not a number where not known.
        weight: of the term.
    """
    count = logits.shape[1]
    known = ~songs.isnan().any(1)
    first, last = (songs[known] * count).split(1, dim=1)
    steps = torch.arange(count, device=songs.device)
    # The share of each step [k, k + 1) that the song [first, last) covers.
    inside = (torch.minimum(steps + 1, last) - torch.maximum(steps, first)).clamp(0, 1)
    entropy = functional.binary_cross_entropy_with_logits(logits[known], inside, reduction="sum")
    return Term(weight * entropy * (WINDOW_SECONDS / count), known.sum().to(logits))


def _position_terms(out: Positions, target: Tensor, config: ModelConfig) -> list[Term]:
    windows = target.new_tensor(float(len(target)))
    if out.coarse is None or out.cell is None or out.fine is None:
        seconds = functional.smooth_l1_loss(
            out.position * WINDOW_SECONDS, target * WINDOW_SECONDS, reduction="sum"
        )
        return [Term(seconds, windows)]
    coarse = (out.coarse - target).abs().sum() * WINDOW_SECONDS
    # The second look is asked for the place inside of the cell that the first look chose. It can
    # be right only where that cell is the true one; the other windows teach the first look alone.
    inside = target * config.cells - out.cell
    right = (cell_of(target, config.cells) == out.cell).to(target)
    fine = ((out.fine - inside).abs() * right).sum() * (WINDOW_SECONDS / config.cells)
    return [Term(coarse, windows), Term(fine, right.sum())]


def mean_loss(terms: Sequence[Term], processes: int = 1) -> Tensor:
    """Return the loss in seconds: the sum of the means of the terms; an empty term counts 0.

    Of several processes of torch's default group each gets its part of the loss; the mean of the
    parts, which is what averaged gradients are of, is the loss of the batch they share.
    """
    loss = terms[0].total * 0
    for total, windows in terms:
        if processes > 1:
            # The sum stays this process's own, the count is that of all. DDP takes the mean of the
            # gradients over the processes, so the factor ``processes`` makes it their sum.
            windows = windows.clone()
            distributed.all_reduce(windows)
        loss = loss + total * processes / windows.clamp(min=1)
    return loss
