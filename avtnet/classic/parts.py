"""The parts that every network of the family is made of (docs/original.md: Networks).

Shapes: B windows, T steps of a window (200), F frames (200), N MFCC columns (8616).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from avtnet.classic.config import Widths
from avtnet.dense import model
from avtnet.dense.settings import SLOTS

COEFFICIENTS = 20
"""MFCC of a column."""


class VideoNet(nn.Module):
    """Frames (B, F, 3, 66, 88) and text masks (B, F, 27, 36) → (B, 2 · hidden, T)."""

    def __init__(self, widths: Widths, steps: int, *, text: bool, dropout: bool) -> None:
        super().__init__()
        self.frames: FrameEncoder = FRAME_ENCODERS[widths.frame_encoder](widths)
        self.dropout = nn.Dropout(0.5 if dropout else 0.0)
        of_text = DenseText if widths.frame_encoder == "dense" else TextNet
        self.text: TextNet | DenseText | None = of_text(widths) if text else None
        size = self.frames.size + (self.text.size if self.text is not None else 0)
        self.gru = _gru(size, widths, dropout)
        self.pool = nn.AdaptiveAvgPool1d(steps)

    def forward(self, frames: Tensor, text: Tensor) -> Tensor:
        windows, count = frames.shape[:2]
        vectors = self.dropout(self.frames(frames.flatten(0, 1)))
        if self.text is not None:
            vectors = torch.cat([vectors, self.text(text.flatten(0, 1))], dim=1)
        return _read(self.gru, self.pool, vectors.unflatten(0, (windows, count)))


class ResNet18(nn.Module):
    """ResNet-18 without its last layer: pictures (n, 3, h, w) → vectors (n, 512)."""

    size = 512

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        # Imported here: the small sizes work without torchvision, and it takes seconds.
        from torchvision.models import resnet18

        self.layers = nn.Sequential(*list(resnet18().children())[:-1])

    def forward(self, pictures: Tensor) -> Tensor:
        vectors: Tensor = self.layers(pictures)
        return vectors.flatten(1)


class DepthwiseNet(nn.Module):
    """A light stand-in for ResNet-18: 4x4 patches, then depthwise stages of stride 2."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        first, self.size = widths.frame_channels[0], widths.frame_channels[-1]
        layers: list[nn.Module] = [
            nn.Conv2d(3, first, 4, stride=4, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        ]
        for inside, outside in pairwise(widths.frame_channels):
            layers += [
                nn.Conv2d(inside, inside, 3, stride=2, padding=1, groups=inside, bias=False),
                nn.BatchNorm2d(inside),
                nn.ReLU(),
                nn.Conv2d(inside, outside, 1, bias=False),
                nn.BatchNorm2d(outside),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, pictures: Tensor) -> Tensor:
        vectors: Tensor = self.layers(pictures)
        return vectors


class DenseFrames(model.PictureNet):
    """AVTNetDense's encoder: pictures (n, 3, 33, 44) → vectors (n, 2 · frame_channels[-1])."""

    def __init__(self, widths: Widths) -> None:
        super().__init__(widths.frame_channels)
        self.size = 2 * widths.frame_channels[-1]

    def forward(self, pictures: Tensor) -> Tensor:
        return self.pooled(pictures)


FrameEncoder = ResNet18 | DepthwiseNet | DenseFrames
FRAME_ENCODERS: dict[str, type[FrameEncoder]] = {
    "resnet18": ResNet18,
    "depthwise": DepthwiseNet,
    "dense": DenseFrames,
}


class TextNet(nn.Sequential):
    """The original's ROI net: masks (n, 27, 36) → vectors (n, text_channels[-1])."""

    def __init__(self, widths: Widths) -> None:
        super().__init__(
            *(
                nn.Sequential(
                    _without_bias_training(nn.Conv2d(inside, outside, 3, padding=1)),
                    nn.BatchNorm2d(outside),
                    nn.ReLU(),
                    nn.MaxPool2d(2),
                )
                for inside, outside in pairwise((1, *widths.text_channels))
            ),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.size = widths.text_channels[-1]

    def forward(self, masks: Tensor) -> Tensor:
        # Lines stay for seconds and many seconds have none: four masks of ten differ, and this is
        # half of a network's work. Not where batch norms count them, there are shapes only, or what
        # is done is written down (an export).
        which = None
        if not (self.training or masks.is_meta or torch.onnx.is_in_onnx_export()):
            masks, which = torch.unique(masks, dim=0, return_inverse=True)
        vectors: Tensor = super().forward(masks.unsqueeze(1))
        return vectors if which is None else vectors[which]


class DenseText(model.TextEncoder):
    """AVTNetDense's encoder: masks (n, 27, 36) → vectors (n, 2 · text_channels[-1] + 1)."""

    def __init__(self, widths: Widths) -> None:
        super().__init__(widths.text_channels)
        self.size = 2 * widths.text_channels[-1] + 1

    def forward(self, masks: Tensor) -> Tensor:
        return self.pooled(masks)


class AudioNet(nn.Module):
    """MFCC (B, 20, N) → (B, 2 · hidden, T): a 1-d ResNet-18 with Mish and squeeze-excitation."""

    def __init__(self, widths: Widths, steps: int, *, dropout: bool) -> None:
        super().__init__()
        first, *_, last = channels = widths.audio_channels
        self.stem = nn.Sequential(
            _without_bias_training(nn.Conv1d(COEFFICIENTS, first, 3, stride=2, padding=1)),
            nn.BatchNorm1d(first),
            nn.Mish(),
            nn.MaxPool1d(2),
        )
        self.stages = nn.Sequential(
            *(
                nn.Sequential(AudioBlock(inside, outside, stride), AudioBlock(outside, outside, 1))
                for inside, outside, stride in zip(
                    (first, *channels), channels, (1, *(2 for _ in channels[1:])), strict=False
                )
            )
        )
        self.norm = nn.BatchNorm1d(last)
        self.gru = _gru(last, widths, dropout)
        self.pool = nn.AdaptiveAvgPool1d(steps)

    def encoded(self, mfcc: Tensor) -> Tensor:
        """(B, n, channels): what the GRU reads."""
        columns: Tensor = self.norm(self.stages(self.stem(mfcc)))
        return columns.transpose(1, 2)

    def forward(self, mfcc: Tensor) -> Tensor:
        return _read(self.gru, self.pool, self.encoded(mfcc))


class DenseAudioNet(nn.Module):
    """The same with AVTNetDense's encoder, which makes one vector of a step's columns."""

    def __init__(self, widths: Widths, steps: int, *, dropout: bool) -> None:
        super().__init__()
        self.sound = model.SoundNet(widths.audio_channels)
        self.gru = _gru(2 * widths.audio_channels[-1], widths, dropout)
        self.pool = nn.AdaptiveAvgPool1d(steps)
        self.steps = steps

    def encoded(self, mfcc: Tensor) -> Tensor:
        """(B, steps, channels): what the GRU reads."""
        # A step is a second in windows of the usual length, which has 43.08 columns: SLOTS of them
        # are taken. Slot k stands for the time (k + 0.5) / slots of the window; this is the column
        # there, in whole numbers, so that an exported network rounds the same way.
        slots = torch.arange(SLOTS * self.steps, device=mfcc.device)
        nearest = (2 * slots + 1) * mfcc.shape[2] // (2 * len(slots))
        columns: Tensor = self.sound(mfcc[:, :, nearest])
        return columns

    def forward(self, mfcc: Tensor) -> Tensor:
        return _read(self.gru, self.pool, self.encoded(mfcc))


class AudioBlock(nn.Module):
    """Two convolutions, whose channels squeeze-excitation weighs, added to a shortcut.

    Hu et al., Squeeze-and-Excitation Networks, 2018: the mean of each channel over time goes
    through a bottleneck and returns as a weight 0..1 of that channel.
    """

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm1d(outside)
        self.conv2 = nn.Conv1d(outside, outside, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm1d(outside)
        self.mish = nn.Mish()
        squeezed = max(1, outside // 16)
        self.excite = nn.Sequential(
            nn.AdaptiveAvgPool1d(1),
            nn.Conv1d(outside, squeezed, 1),
            nn.Mish(),
            nn.Conv1d(squeezed, outside, 1),
            nn.Sigmoid(),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inside == outside
            else nn.Sequential(
                nn.Conv1d(inside, outside, 1, stride=stride, bias=False), nn.BatchNorm1d(outside)
            )
        )

    def forward(self, columns: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(self.mish(self.bn1(self.conv1(columns)))))
        out: Tensor = self.mish(inner * self.excite(inner) + self.shortcut(columns))
        return out


class SEFusion(nn.Module):
    """Weigh the channels of (B, C, T) by what the whole window holds (reduction 4, no bias)."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.excite = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False),
            nn.ReLU(),
            nn.Linear(channels // reduction, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, sequence: Tensor) -> Tensor:
        weights: Tensor = self.excite(sequence.mean(dim=2))
        return sequence * weights.unsqueeze(2)


def _gru(size: int, widths: Widths, dropout: bool) -> nn.GRU:
    return nn.GRU(
        size,
        widths.hidden,
        num_layers=widths.layers,
        batch_first=True,
        bidirectional=True,
        dropout=0.3
        if dropout and widths.layers > 1
        else 0.0,  # torch warns where there is no layer between
    )


def _read(gru: nn.GRU, pool: nn.Module, vectors: Tensor) -> Tensor:
    """Vectors (B, n, size) in both directions, pooled to steps: (B, 2 · hidden, T)."""
    sequence, _ = gru(vectors)
    pooled: Tensor = pool(sequence.transpose(1, 2))
    return pooled


def _without_bias_training(conv: nn.Conv1d | nn.Conv2d) -> nn.Module:
    """A convolution in front of a batch norm, which takes its bias out again.

    The bias is the original's, but its gradient is rounding noise, and Adam would turn that into
    steps as large as any: no two ways of computing a batch would train alike.
    """
    assert conv.bias is not None
    conv.bias.requires_grad_(False)
    return conv
