"""Settings of the features. Features of two windows can be used together if these agree."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from clipping.errors import ConfigError


@dataclass(frozen=True)
class PPOCRSettings:
    """Settings of the text detector PP-OCR; the values are measured in docs/measured/text.md."""

    long_side: int = 640
    """The longer side of the picture it looks at, in pixels; smaller video is not enlarged."""
    pixel: float = 0.3
    """A pixel is text above this probability."""
    score: float = 0.6
    """A connected area is text if its mean probability is at least this."""
    min_pixels: int = 30
    """Areas of fewer pixels (of the picture it looks at) are noise."""
    max_height: float = 0.16
    """Areas whose shorter side is a larger share of the picture's height are drawings."""
    min_length: float = 2.5
    """Areas that are less than this many times as long as thick are drawings: eyes, flowers."""
    short_length: float = 4.0
    """Areas that are less than this many times as long as thick are short."""
    short_score: float = 0.96
    """A short area is text if its mean probability is at least this: a pair of eyes looks like a
    short word."""
    growth: float = 1.4
    """Boxes grow by this times area / perimeter: the network is trained on shrunken text."""
    runtime: Literal["auto", "cpu", "cuda", "coreml", "openvino"] = "auto"
    """Software that runs the network: onnxruntime on the CPU, on an Nvidia GPU or by Apple's
    CoreML, or OpenVINO (pip install 'avtnet[openvino]'; the same masks; quicker on some CPUs). auto
    takes an Nvidia GPU if the installed onnxruntime supports it, else the CPU."""

    def __post_init__(self) -> None:
        _need(32 <= self.long_side <= 4096, "long_side", "32 to 4096 pixels", self.long_side)
        _need(0 < self.pixel < 1, "pixel", "between 0 and 1", self.pixel)
        _need(0 <= self.score <= 1, "score", "0 to 1", self.score)
        _need(self.min_pixels >= 1, "min_pixels", "1 or more", self.min_pixels)
        _need(0 < self.max_height <= 1, "max_height", "above 0, up to 1", self.max_height)
        _need(1 <= self.min_length <= 100, "min_length", "1 to 100", self.min_length)
        _need(1 <= self.short_length <= 100, "short_length", "1 to 100", self.short_length)
        _need(0 <= self.short_score <= 1, "short_score", "0 to 1", self.short_score)
        _need(0 <= self.growth <= 10, "growth", "0 to 10", self.growth)
        _among(self.runtime, "runtime", ("auto", "cpu", "cuda", "coreml", "openvino"))


@dataclass(frozen=True)
class EasyOCRSettings:
    """Settings of EasyOCR's text detector CRAFT; the defaults are EasyOCR's own."""

    text_threshold: float = 0.7
    """A text area needs a pixel of at least this probability."""
    low_text: float = 0.4
    """A pixel is text above this probability."""
    link_threshold: float = 0.4
    """Two characters belong together above this probability."""
    long_side: int = 2560
    """The longer side of the picture it looks at, in pixels; smaller video is not enlarged."""

    def __post_init__(self) -> None:
        for name in ("text_threshold", "low_text", "link_threshold"):
            _need(0 <= getattr(self, name) <= 1, name, "0 to 1", getattr(self, name))
        _need(32 <= self.long_side <= 4096, "long_side", "32 to 4096 pixels", self.long_side)


_WHOLE_NUMBERS = (
    "sample_rate n_mfcc n_fft hop_samples frame_height frame_width mask_height mask_width".split()
)


@dataclass(frozen=True)
class FeatureSettings:
    """The features of one window; the defaults are those AVTNet was trained with."""

    window: float = 200.0
    """Length of a window in whole seconds."""
    audio: int | str | None = None
    """Sound stream: its index, its language ("jpn"), or none for the file's default."""
    mfcc_engine: Literal["fast", "librosa"] = "fast"
    """Code that computes the MFCC: ours or librosa's; the two agree to 1e-3."""
    sample_rate: int = 22050
    """Samples of mono sound per second."""
    n_mfcc: int = 20
    """MFCC (coefficients) per column."""
    n_fft: int = 2048
    """Samples that one column covers."""
    hop_samples: int = 512
    """Samples from one column to the next."""
    frame_height: int = 66
    """Rows of a thumbnail, black bars included."""
    frame_width: int = 88
    """Columns of a thumbnail, black bars included."""
    mask_height: int = 27
    """Rows of a text mask."""
    mask_width: int = 36
    """Columns of a text mask."""
    text_engine: Literal["ppocr", "easyocr", "none"] = "ppocr"
    """Text detector; none leaves the masks empty."""
    ppocr: PPOCRSettings = field(default_factory=PPOCRSettings)
    easyocr: EasyOCRSettings = field(default_factory=EasyOCRSettings)

    def __post_init__(self) -> None:
        whole = math.isfinite(self.window) and self.window == int(self.window)
        for name in _WHOLE_NUMBERS:
            value = getattr(self, name)
            _need(type(value) is int, name, "a whole number", value)
        _need(whole and 1 <= self.window <= 3600, "window", "1 to 3600 whole s", self.window)
        _need(8000 <= self.sample_rate <= 192000, "sample_rate", "8000 to 192000", self.sample_rate)
        _need(1 <= self.n_mfcc <= 128, "n_mfcc", "1 to 128", self.n_mfcc)
        _need(64 <= self.n_fft <= 65536, "n_fft", "64 to 65536", self.n_fft)
        _need(64 <= self.hop_samples <= 65536, "hop_samples", "64 to 65536", self.hop_samples)
        for name in ("frame_height", "frame_width", "mask_height", "mask_width"):
            _need(1 <= getattr(self, name) <= 1024, name, "1 to 1024", getattr(self, name))
        _among(self.mfcc_engine, "mfcc_engine", ("fast", "librosa"))
        _among(self.text_engine, "text_engine", ("ppocr", "easyocr", "none"))

    @property
    def seconds(self) -> int:
        """Number of frames, and of masks, in a window: one for each second."""
        return int(self.window)

    @property
    def columns(self) -> int:
        """Number of MFCC columns in a window: 8616 for 200 s.

        librosa makes 1 + samples // hop columns; the original network takes two more (zeros).
        """
        return math.ceil(self.window * self.sample_rate / self.hop_samples) + 2

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each array of a window."""
        return {
            "mfcc": (self.n_mfcc, self.columns),
            "frames": (self.seconds, 3, self.frame_height, self.frame_width),
            "text": (self.seconds, self.mask_height, self.mask_width),
        }

    def decisive(self) -> dict[str, Any]:
        """Return the settings that change the features.

        Without those of the text detectors that are not used, and without the runtime, which gives
        the same masks.
        """
        values = dataclasses.asdict(self)
        del values["ppocr"]["runtime"]
        return {
            key: value
            for key, value in values.items()
            if key not in ("ppocr", "easyocr") or key == self.text_engine
        }


def _need(true: bool, name: str, right: str, value: object) -> None:
    if not true:
        raise ConfigError(f"{name} must be {right}, got {value}")


def _among(value: str, name: str, known: tuple[str, ...]) -> None:
    _need(value in known, name, " or ".join(known), value)
