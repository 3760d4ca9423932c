"""AVTNetDense: what every second of an episode is, and where openings and endings begin and end.

A second is embedded by itself from its picture, its text mask and its sound; dilated convolutions
over the seconds then say, for each, opening, ending or story, and whether one of the four
boundaries is near, with a distribution over where exactly. Any length goes; see
:func:`avtnet.dense.inference.evidence` for long ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from avtnet.dense.settings import BINS, BOUNDARIES, CLASSES, PLACES, DenseConfig


class Evidence(NamedTuple):
    """The answers of the network for T seconds, as logits."""

    classes: Tensor
    """(B, T, 3): CLASSES"""
    peaks: Tensor
    """(B, T, 4): how likely each of BOUNDARIES is within about a second"""
    offsets: Tensor
    """(B, T, 4, BINS): the distribution of its distance from the second's middle, which is -REACH
    to REACH seconds"""


class AVTNetDense(nn.Module):
    """Call with the four tensors of :class:`avtnet.dense.tensors.Tensors`, as numbers."""

    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        self.config = config
        self.sound = SoundNet(config.sound)
        self.frames = PictureNet(config.frames)
        self.text = TextEncoder(config.text)
        sizes = (2 * config.sound[-1], 2 * config.frames[-1] + 7, 2 * config.text[-1] + 1, PLACES)
        self.join = nn.ModuleList(nn.Linear(size, config.width) for size in sizes)
        self.norm = nn.LayerNorm(config.width)
        self.blocks = nn.ModuleList(
            _Block(config.width, dilation, config.dropout) for dilation in config.dilations
        )
        self.last = nn.LayerNorm(config.width)
        self.classes = nn.Linear(config.width, len(CLASSES))
        self.peaks = nn.Linear(config.width, len(BOUNDARIES))
        self.offsets = nn.Linear(config.width, len(BOUNDARIES) * BINS)
        nn.init.constant_(self.peaks.bias, -4.0)  # boundaries are rare

    def forward(
        self,
        sound: Tensor,
        frames: Tensor,
        text: Tensor,
        place: Tensor,
        shown: Tensor | None = None,
    ) -> Evidence:
        """Return the evidence for T seconds.

        Args:
            sound: (B, 20, SLOTS · T) MFCC.
            frames: (B, T, 3, 33, 44) in 0..1.
            text: (B, T, 27, 36) of 0 and 1.
            place: (B, T, PLACES), as :func:`avtnet.dense.inputs.place` makes it.
            shown: (B, 4) of 0 and 1: which of the inputs each row may see; None: all.
        """
        seen = (
            self.sound(sound),
            self.frames(frames),
            self.text(text),
            place,
        )
        # Each input becomes a vector of the same width for each second; their sum is the second.
        # An input that is hidden adds nothing, so training can leave inputs out at random.
        parts = [join(each) for join, each in zip(self.join, seen, strict=True)]
        if shown is not None:
            parts = [part * shown[:, k, None, None] for k, part in enumerate(parts)]
        steps = self.norm(torch.stack(parts).sum(0))
        # Up to here a second knows hardly anything of its neighbours: some columns of sound, and
        # the change of the picture. The blocks let it see others, by their dilations far away.
        for block in self.blocks:
            steps = block(steps)
        steps = self.last(steps)
        offsets = self.offsets(steps).unflatten(-1, (len(BOUNDARIES), BINS))
        return Evidence(self.classes(steps), self.peaks(steps), offsets)


class SoundNet(nn.Module):
    """(B, 20, 40 T) → (B, T, 2 · last): forty columns a second become five, and these one."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(20)
        layers: list[nn.Module] = []
        for inside, outside in pairwise((20, *widths)):
            layers += [
                nn.Conv1d(inside, outside, 5, stride=2, padding=2, bias=False),
                nn.BatchNorm1d(outside),
                nn.SiLU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.second = nn.Conv1d(widths[-1], 2 * widths[-1], 5, stride=5)

    def forward(self, mfcc: Tensor) -> Tensor:
        seconds: Tensor = self.second(self.layers(self.norm(mfcc)))
        return functional.silu(seconds).transpose(1, 2)


class PictureNet(nn.Module):
    """(B, T, 3, 33, 44) → (B, T, 2 · last + 7): depthwise stages, colours, change."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3, widths[0], 5, stride=3, padding=2, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.SiLU(),
        ]
        for inside, outside in pairwise(widths):
            layers += [
                nn.Conv2d(inside, inside, 3, stride=2, padding=1, groups=inside, bias=False),
                nn.BatchNorm2d(inside),
                nn.Conv2d(inside, outside, 1, bias=False),
                nn.BatchNorm2d(outside),
                nn.SiLU(),
            ]
        self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)

    def pooled(self, pictures: Tensor) -> Tensor:
        """(n, 3, 33, 44) → (n, 2 · last): each picture by itself."""
        # On CPUs this order of memory takes half the time.
        maps = self.layers(pictures.contiguous(memory_format=torch.channels_last))
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)

    def forward(self, frames: Tensor) -> Tensor:
        pictures = frames.flatten(0, 1)
        pooled = self.pooled(pictures)
        coarse = functional.avg_pool2d(pictures, 3).unflatten(0, frames.shape[:2])
        colours = torch.cat([coarse.mean((3, 4)), coarse.std((3, 4))], dim=2)
        # The mean change of a pixel since the second before; the first second has none (0).
        changes = (coarse[:, 1:] - coarse[:, :-1]).abs().mean((2, 3, 4))
        change = functional.pad(changes, (1, 0))[..., None]
        return torch.cat([pooled.unflatten(0, frames.shape[:2]), colours, change], dim=2)


class TextEncoder(nn.Module):
    """(B, T, 27, 36) → (B, T, 2 · last + 1): where text stands, and how much of it."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inside, outside in pairwise((1, *widths)):
            layers += [
                nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outside),
                nn.SiLU(),
            ]
        self.layers = nn.Sequential(*layers)

    def pooled(self, masks: Tensor) -> Tensor:
        """(n, 27, 36) → (n, 2 · last + 1): each mask by itself."""
        maps = self.layers(masks[:, None])
        covered = 4 * masks.mean((1, 2))[:, None]
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3)), covered], dim=1)

    def forward(self, text: Tensor) -> Tensor:
        return self.pooled(text.flatten(0, 1)).unflatten(0, text.shape[:2])


class _Block(nn.Module):
    """A residual block: five seconds, ``dilation`` apart, by channel; then channels by second.

    A depthwise convolution and a two-layer perceptron, much as the block of ConvNeXt (Liu et al.,
    A ConvNet for the 2020s, 2022), but dilated and over time instead of an image.
    """

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.across = nn.Conv1d(
            width, width, 5, padding=2 * dilation, dilation=dilation, groups=width
        )
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, steps: Tensor) -> Tensor:
        across = self.across(self.norm(steps).transpose(1, 2)).transpose(1, 2)
        inner: Tensor = self.narrow(functional.gelu(self.wide(across)))
        return steps + self.dropout(inner)
