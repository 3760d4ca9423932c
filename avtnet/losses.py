"""How far the positions of a batch are from the truth (spec/avtnet.md: Networks).

A loss is a list of terms, each a sum and the number of windows in it, so that several processes
can divide by what they hold together: the gradient is then the same however a batch is shared.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from avtnet.config import ModelConfig
from avtnet.model import Positions, cell_of

WINDOW_SECONDS = 200.0


class Term(NamedTuple):
    """A part of the loss: seconds added up over some of the batch's windows."""

    total: Tensor
    """Scalar with gradient, seconds."""
    windows: Tensor
    """Scalar: the windows in it; may be 0."""


def loss_terms(out: Positions, target: Tensor, config: ModelConfig) -> list[Term]:
    """The terms for positions and ``target`` (B,), both shares of the window.

    AVTNet and AVTNet2: smooth L1 on seconds. YOLT: L1 of the first look, plus L1 of the second
    inside its cell over the windows whose cell is the true one (there may be none).
    """
    windows = target.new_tensor(float(len(target)))
    if out.coarse is None or out.cell is None or out.fine is None:
        seconds = functional.smooth_l1_loss(
            out.position * WINDOW_SECONDS, target * WINDOW_SECONDS, reduction="sum"
        )
        return [Term(seconds, windows)]
    coarse = (out.coarse - target).abs().sum() * WINDOW_SECONDS
    inside = target * config.cells - out.cell
    right = (cell_of(target, config.cells) == out.cell).to(target)
    fine = ((out.fine - inside).abs() * right).sum() * (WINDOW_SECONDS / config.cells)
    return [Term(coarse, windows), Term(fine, right.sum())]


def mean_loss(terms: list[Term]) -> Tensor:
    """The loss of one process's batch: each term over its own count, an empty term is 0."""
    return sum((term.total / term.windows.clamp(min=1) for term in terms), start=terms[0].total * 0)
