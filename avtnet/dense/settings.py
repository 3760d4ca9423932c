"""The widths of AVTNetDense, and the meaning of the axes of its inputs and answers."""

from __future__ import annotations

from dataclasses import dataclass

CLASSES = ("story", "opening", "ending")
BOUNDARIES = ("opening start", "opening end", "ending start", "ending end")
SLOTS = 40
"""MFCC columns of a second, taken from the 43.07 there are."""
PLACES = 5
"""Numbers that describe the place of a second in its file; see ``avtnet.dense.inputs.place``."""
REACH = 2.0
"""Largest distance in seconds of a boundary from the middle of a second that places it."""
BINS = 17
"""Bins of the distribution of that distance, from -REACH to REACH."""


@dataclass(frozen=True)
class DenseConfig:
    """The widths of AVTNetDense."""

    sound: tuple[int, ...] = (48, 64, 96)
    """Channels of the sound's convolutions, each of stride 2; the last is spread over a second."""
    frames: tuple[int, ...] = (24, 48, 96)
    """Channels of the pictures' stages: the first of stride 3, then depthwise ones of stride 2."""
    text: tuple[int, ...] = (8, 16, 32)
    """Channels of the masks' convolutions, each of stride 2."""
    width: int = 128
    """Channels over the seconds."""
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 1, 4, 16)
    """Seconds between the five that a block looks at, for each block."""
    dropout: float = 0.1

    def __post_init__(self) -> None:
        # Upper bounds: a checkpoint's config comes from outside and decides about memory.
        if len(self.sound) != 3:
            raise ValueError(f"sound has three widths, got {self.sound}")
        for name in ("sound", "frames", "text", "dilations"):
            values = getattr(self, name)
            if not 1 <= len(values) <= 32 or not all(1 <= value <= 4096 for value in values):
                raise ValueError(f"{name} holds up to 32 numbers from 1 to 4096, got {values}")
        if not 1 <= self.width <= 4096 or not 0 <= self.dropout < 1:
            raise ValueError(f"width is 1 to 4096, dropout 0 to 1: {self.width}, {self.dropout}")

    @property
    def reach(self) -> int:
        """Seconds on each side that an answer depends on, those of the sound's edges included."""
        return 2 * sum(self.dilations) + 2
