"""AVTNet, AVTNet2 and AVTNet_YOLT: one window's features → where its boundary is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from avtnet.classic.config import ModelConfig
from avtnet.classic.networks import TABLE
from avtnet.classic.parts import AudioNet, DenseAudioNet, SEFusion, VideoNet
from clipping.tasks.contract import load_network


class Positions(NamedTuple):
    """The answers of a network for B windows; a position is a share of the window, 0..1."""

    position: Tensor
    """(B,): the answer."""
    coarse: Tensor | None = None
    """YOLT, (B,): the first look."""
    cell: Tensor | None = None
    """YOLT, (B,): the cell in which the second look searched, 0..19."""
    fine: Tensor | None = None
    """YOLT, (B,): the place inside that cell, 0..1."""
    values: tuple[Tensor, ...] = ()
    """(B, T) each: one value a step, from which the position is computed; YOLT has two."""
    sequence: Tensor | None = None
    """(B, channels, T): the fused sequence, from which the values are computed."""
    song: Tensor | None = None
    """(B, T), of :class:`WithSongLoss`: logits that a step is inside of the song."""


class Backbone(nn.Module):
    """The features of a window → its fused sequence (B, channels, T)."""

    Settings = ModelConfig

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        wanted = config.inputs.split("+")
        steps, widths, dropout = config.steps, config.widths, config.dropout
        self.video = (
            VideoNet(widths, steps, text="text" in wanted, dropout=dropout)
            if "video" in wanted
            else None
        )
        of_sound = DenseAudioNet if widths.frame_encoder == "dense" else AudioNet
        self.audio: AudioNet | DenseAudioNet | None = (
            of_sound(widths, steps, dropout=dropout) if "audio" in wanted else None
        )
        self.channels = (
            2 * widths.hidden * sum(part is not None for part in (self.video, self.audio))
        )
        self.fusion = SEFusion(self.channels)

    def sequence(self, mfcc: Tensor, frames: Tensor, text: Tensor) -> Tensor:
        """Video first, then audio, weighed by the SE fusion: (B, channels, T)."""
        branches = []
        if self.video is not None:
            branches.append(self.video(frames, text))
        if self.audio is not None:
            branches.append(self.audio(mfcc))
        fused: Tensor = self.fusion(torch.cat(branches, dim=1))
        return fused


class AVTNet(Backbone):
    """One look: a convolution to one value a step, two linear layers to one position.

    Call with mfcc (B, 20, N), frames (B, F, 3, h, w) scaled as in training, text (B, F, 27, 36).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.conv = nn.Sequential(nn.Conv1d(self.channels, 1, 1), nn.Mish())
        self.regress = _regressor(config.steps)

    def forward(self, mfcc: Tensor, frames: Tensor, text: Tensor) -> Positions:
        sequence = self.sequence(mfcc, frames, text)
        values = self.conv(sequence).squeeze(1)
        return Positions(self.regress(values).squeeze(1), values=(values,), sequence=sequence)


class AVTNet2(AVTNet):
    """AVTNet with a two-layer backend: a quarter of the channels between fusion and value."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        middle = self.channels // 4
        self.conv = nn.Sequential(
            nn.Conv1d(self.channels, middle, 1), nn.Mish(), nn.Conv1d(middle, 1, 1), nn.Mish()
        )


class AVTNet_YOLT(Backbone):
    """You only look twice: a coarse position picks one of 20 cells, a second look refines in it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.dropout = nn.Dropout(0.3 if config.dropout else 0.0)
        self.conv1 = nn.Sequential(nn.Conv1d(self.channels, 1, 1), nn.Mish())
        self.regress1 = _regressor(config.steps)
        self.conv2 = nn.Sequential(nn.Conv1d(self.channels, 1, 1), nn.Mish())
        self.regress2 = nn.Sequential(nn.Linear(config.steps // config.cells, 1), nn.Sigmoid())

    def forward(self, mfcc: Tensor, frames: Tensor, text: Tensor) -> Positions:
        cells = self.config.cells
        sequence = self.dropout(self.sequence(mfcc, frames, text))
        first = self.conv1(sequence).squeeze(1)
        coarse = self.regress1(first).squeeze(1)
        cell = cell_of(coarse, cells)
        # The convolution looks at one step at a time, so it may run over all steps at once, and
        # the steps of each window's cell are taken from its output.
        values = self.conv2(sequence).squeeze(1)
        # torch.gather, not an index over rows: an export would fix the number of rows it traced.
        by_cell = values.unflatten(1, (cells, -1))
        where = cell[:, None, None].expand(-1, 1, by_cell.shape[2])
        chosen = by_cell.gather(1, where).squeeze(1)
        fine = self.regress2(chosen).squeeze(1)
        answer = (cell + fine) / cells
        return Positions(answer, coarse, cell, fine, (first, values), sequence)


class WithSongLoss(nn.Module):
    """A network that, while it is trained, also answers for every step if it is inside the song.

    The answer is one more layer on the fused sequence. The layer is thrown away afterwards; its
    loss has by then taught the GRUs below it.
    """

    def __init__(self, network: AVTNet | AVTNet_YOLT) -> None:
        super().__init__()
        self.network = network
        self.song = nn.Conv1d(network.channels, 1, 1)
        # A network that has been trained before is not pulled about by a layer of noise.
        nn.init.zeros_(self.song.weight)

    def forward(self, mfcc: Tensor, frames: Tensor, text: Tensor) -> Positions:
        out: Positions = self.network(mfcc, frames, text)
        return out._replace(song=self.song(out.sequence).squeeze(1))


def cell_of(position: Tensor, cells: int) -> Tensor:
    """Return the cell, 0..cells - 1, of positions in 0..1; a position of 1 is in the last cell."""
    return (position.detach() * cells).long().clamp(0, cells - 1)


def build(config: ModelConfig) -> AVTNet | AVTNet_YOLT:
    """Return the network of a config, with fresh weights.

    Raises:
        ClippingError: if a plugin's network cannot be imported.
    """
    network: AVTNet | AVTNet_YOLT = load_network(TABLE, config.kind)(config)
    return network


def _regressor(steps: int) -> nn.Sequential:
    """(B, steps) → (B, 1) in 0..1."""
    return nn.Sequential(nn.Linear(steps, 64), nn.Mish(), nn.Linear(64, 1), nn.Sigmoid())
