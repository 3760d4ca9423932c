"""Change a composed example as a copy of an episode may be: loudness, treble, colours, borders.

:mod:`avtnet.synthesis.film` and :mod:`avtnet.synthesis.mixing` do the same to pictures and sound
of real files. This module does it to composed examples (:mod:`avtnet.dense.inputs`), on pictures of
33x44 and on mel bands, in a few milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from avtnet.synthesis.film import SHAPES, FilmManner, draw_manner
from avtnet.synthesis.library import QUIETEST
from avtnet.synthesis.music import SAMPLE_RATE
from preprocess.audio import N_MELS, cepstrum, mel_bands
from preprocess.frames import Letterbox, letterbox
from preprocess.settings import FeatureSettings

NOISE_DB = 18.5
"""dB of a mel band for white noise of standard deviation 1: the power of a Hann window (768) over
filters of unit area."""
COVERED = 0.4
"""Smallest share of a cell that text must cover to mark it."""


@dataclass(frozen=True)
class Treatment:
    """The changes of one example."""

    manner: FilmManner
    """Changes of its pictures; blur and quality would not be visible in thumbnails."""
    shape: float
    """Width over height of the picture."""
    gain_db: float
    """Gain of all its sound."""
    treble_hertz: float | None
    """Frequency above which the sound is removed; None: all is kept."""
    noise_db: float | None
    """Level of added noise; None: none."""


def draw_treatment(rng: np.random.Generator) -> Treatment:
    """Draw changes from a range a little wider than that of real files."""
    return Treatment(
        manner=draw_manner(rng),
        shape=float(SHAPES[rng.integers(len(SHAPES))]),
        gain_db=float(rng.uniform(-18, 6)),
        treble_hertz=float(rng.uniform(4000, 10800)) if rng.random() < 0.5 else None,
        noise_db=float(rng.uniform(-85, -45)) if rng.random() < 0.4 else None,
    )


def treat_sound(decibels: np.ndarray, treatment: Treatment, n_mfcc: int = 20) -> np.ndarray:
    """Change the mel bands of an example and return its MFCC.

    Args:
        decibels: float32 (columns, N_MELS).

    Returns:
        float32 (n_mfcc, columns)
    """
    loud = decibels + np.float32(treatment.gain_db)
    if treatment.treble_hertz is not None:
        loud[:, _first_band_above(treatment.treble_hertz) :] = QUIETEST
    floor = QUIETEST
    if treatment.noise_db is not None:
        floor = max(floor, treatment.noise_db + NOISE_DB)
    return cepstrum(np.maximum(loud, np.float32(floor)), n_mfcc)


def treat_pictures(
    frames: np.ndarray, text: np.ndarray, treatment: Treatment, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures and masks of an example as the thumbnails and masks of such a copy.

    Args:
        frames: uint8 (T, 3, height, width)
        text: bool (T, rows, columns).

    Returns:
        Arrays of the same shapes.
    """
    manner = treatment.manner
    pictures = torch.from_numpy(frames).float()
    grey = pictures.mean(1, keepdim=True)
    pictures = grey + (pictures - grey) * manner.saturation
    tint = torch.tensor(manner.tint)[:, None, None]
    pictures = (pictures - 128 * (1 - 1 / manner.contrast)) * (
        tint * manner.brightness * manner.contrast
    )
    masks = torch.from_numpy(text)[:, None].float()
    if manner.mark:
        _mark(pictures, masks, rng)
    if manner.grain:
        # Of thumbnails, in which the grain of several pixels is averaged.
        noise = rng.standard_normal(grey.shape, np.float32) * np.float32(manner.grain / 4)
        pictures = pictures + torch.from_numpy(noise)
    if manner.bars > 0:
        rows = max(1, round(manner.bars * pictures.shape[2]))
        pictures[:, :, :rows] = pictures[:, :, -rows:] = 0
    elif manner.bars < 0:
        columns = max(1, round(-manner.bars * pictures.shape[3]))
        pictures[..., :columns] = pictures[..., -columns:] = 0
    pictures = _placed(pictures.clamp(0, 255), treatment.shape)
    masks = _placed(masks, treatment.shape) > COVERED
    return pictures.round().to(torch.uint8).numpy(), masks[:, 0].numpy()


def _placed(images: Tensor, shape: float) -> Tensor:
    """Scale images (T, C, height, width) into the letterbox of a picture of that shape."""
    height, width = images.shape[2:]
    box: Letterbox = letterbox((round(1000 * shape), 1000), (width, height))
    out = torch.zeros_like(images)
    small = functional.interpolate(images, (box.height, box.width), mode="area")
    out[:, :, box.top : box.top + box.height, box.left : box.left + box.width] = small
    return out


def _mark(pictures: Tensor, masks: Tensor, rng: np.random.Generator) -> None:
    """Draw a station's logo into the upper right corner of every picture; half count as text."""
    high, wide = int(rng.integers(1, 4)), int(rng.integers(3, 9))
    top, right = int(rng.integers(0, 3)), int(rng.integers(0, 3))
    last = pictures.shape[3] - right
    stamp = rng.uniform(120, 255, (1, high, wide)).astype(np.float32)
    opacity = float(rng.uniform(0.3, 0.9))
    place = pictures[:, :, top : top + high, last - wide : last]
    place += (torch.from_numpy(stamp) - place) * opacity
    if rng.random() < 0.5:
        rows, columns = (
            ours / theirs for ours, theirs in zip(masks.shape[2:], pictures.shape[2:], strict=True)
        )
        detected = torch.from_numpy(rng.random((len(masks), 1, 1, 1)) < 0.9).float()
        area = np.s_[
            :,
            :,
            int(top * rows) : max(1, round((top + high) * rows)),
            int((last - wide) * columns) : round(last * columns),
        ]
        masks[area] = torch.maximum(masks[area], detected)


def _first_band_above(hertz: float) -> int:
    settings = FeatureSettings()
    bands = mel_bands(SAMPLE_RATE, settings.n_fft)
    frequencies = np.fft.rfftfreq(settings.n_fft, 1 / SAMPLE_RATE)
    centres = frequencies[bands.argmax(1)]
    return int(np.searchsorted(centres, hertz)) if hertz < centres[-1] else N_MELS
