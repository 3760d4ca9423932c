"""Batches for AVTNetDense as tensors: its inputs, and the truth to train it on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from avtnet.dense.inputs import Example, Inputs, stacked


class Tensors(NamedTuple):
    """:class:`avtnet.dense.inputs.Inputs` as tensors, of the same types and shapes."""

    sound: Tensor
    frames: Tensor
    text: Tensor
    place: Tensor

    def numbers(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """All as float32, pictures in 0..1."""
        return self.sound, self.frames.float() / 255, self.text.float(), self.place


class Targets(NamedTuple):
    """The true answers for a batch."""

    classes: Tensor
    """float32 (B, T, 3): the share of each second that is story, opening, ending; all 0 where
    that is not known."""
    times: Tensor
    """float32 (B, 4): seconds of BOUNDARIES; NaN where there is none."""


def as_tensors(inputs: Inputs) -> Tensors:
    """Return inputs as tensors that share their memory."""
    return Tensors(*map(torch.from_numpy, inputs))


def collate(examples: Sequence[Example]) -> tuple[Tensors, Targets]:
    """Return examples of one length as a batch."""
    classes, times = (
        torch.from_numpy(np.stack([getattr(each, name) for each in examples]))
        for name in Targets._fields
    )
    return as_tensors(stacked(examples)), Targets(classes, times)
