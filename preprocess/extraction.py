"""Windows of an episode, from the file to the features of the network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from clipping.errors import MediaError
from clipping.identity import Source, identify
from clipping.media.one_pass import OnePass, open_one_pass
from clipping.media.picture import Frame
from clipping.media.probe import MediaInfo
from clipping.windows import Side
from preprocess.audio import mfcc
from preprocess.features import Features
from preprocess.frames import draw_thumbnail
from preprocess.settings import FeatureSettings
from preprocess.text.engine import detector, fill
from preprocess.text.recognition import Line, TextReader, read_lines
from preprocess.text.track import TextTrack


def extract(
    path: Path | str,
    side: Side,
    settings: FeatureSettings | None = None,
    *,
    name: str | None = None,
    easyocr_models: Path | None = None,
) -> Features:
    """The features of the first (``start``) or the last (``end``) window of a media file.

    Args:
        path: any file with sound, picture, or both.
        side: which window; in a file shorter than a window both are the same.
        settings: None takes the defaults, with which AVTNet was trained.
        name: what the features are called; None takes the file's name without its suffix.
        easyocr_models: the folder with EasyOCR's weights, where that engine is chosen.

    What the file lacks is zeros, and :attr:`Features.notes` says so.

    Raises:
        MediaError: for what is no media, or has neither sound nor picture.
        ClippingError: where the text engine is not installed.
    """
    windows = extract_sides(path, (side,), settings, name=name, easyocr_models=easyocr_models)
    return next(windows)[0]


def extract_sides(
    path: Path | str,
    sides: Sequence[Side],
    settings: FeatureSettings | None = None,
    *,
    name: str | None = None,
    easyocr_models: Path | None = None,
    reader: TextReader | None = None,
    threads: int | None = None,
) -> Iterator[tuple[Features, list[Line]]]:
    """Several windows of one file, one after the other, like :func:`extract`.

    Args:
        reader: where one is given, the words come with each window.
        threads: of the picture's decoder; None: one a core. One is best beside other processes.

    Raises:
        As :func:`extract` does; windows that came before the error are good.
    """
    path, settings = Path(path), settings or FeatureSettings()
    source = identify(path)
    made: _Window | None = None
    with open_one_pass(path, threads=threads) as scan:
        for side in sides:
            start = 0.0
            if side == "end":
                start = max(0.0, checked(scan.info).duration - settings.window)
            if made is None or made.start != start:  # they are one in a short file
                made = _Window(start, settings, easyocr_models, reader)
                made.read(scan)
            called = path.stem if name is None else name
            yield made.features(called, side, checked(scan.info), source), made.lines


def checked(info: MediaInfo) -> MediaInfo:
    """What was probed, if there is something to see or hear.

    Raises:
        MediaError: where there is not.
    """
    if info.video is None and not info.audio:
        raise MediaError(f"{info.path}: has neither sound nor picture")
    if info.duration <= 0:
        raise MediaError(f"{info.path}: has no length; nothing in it can be shown or heard")
    return info


class FrameFeatures:
    """Turns frames into what the network sees of them."""

    def __init__(
        self, settings: FeatureSettings, easyocr_models: Path | None, reader: TextReader | None
    ) -> None:
        self._cells = (settings.mask_width, settings.mask_height)
        self._track, self._reader = TextTrack(detector(settings, easyocr_models)), reader

    def look(
        self, second: int, frame: Frame, thumbnail: np.ndarray
    ) -> tuple[np.ndarray, list[Line]]:
        """Draw the thumbnail; the text mask, and the words where there is a reader."""
        draw_thumbnail(frame, thumbnail)
        boxes = self._track.find(frame)
        lines = []
        if self._reader is not None and boxes:
            lines = read_lines(self._reader, frame.rgb(), boxes, second, frame.time)
        return fill(boxes, frame.size, self._cells), lines


@dataclass
class _Window:
    """What one window shows and lets hear, as it is read second by second."""

    start: float
    settings: FeatureSettings
    easyocr_models: Path | None
    reader: TextReader | None
    lines: list[Line] = field(default_factory=list)

    def read(self, scan: OnePass) -> None:
        """Thumbnails, masks, words and samples from one pass over the window."""
        settings = self.settings
        self._frames = np.zeros(settings.shapes["frames"], np.uint8)
        self._text = np.zeros(settings.shapes["text"], bool)
        self._shown = np.zeros(settings.seconds, bool)
        sight = FrameFeatures(settings, self.easyocr_models, self.reader)
        blocks = []
        seconds = scan.seconds(
            [self.start + second for second in range(settings.seconds)],
            end=self.start + settings.window,
            rate=settings.sample_rate,
            audio=settings.audio,
        )
        for second, (frame, samples) in enumerate(seconds):
            blocks.append(samples)
            if frame is not None:
                self._shown[second] = True
                self._text[second], lines = sight.look(second, frame, self._frames[second])
                self.lines += lines
        self._samples = np.concatenate(blocks)

    def features(self, name: str, side: Side, info: MediaInfo, source: Source) -> Features:
        covered = min(self.settings.window, info.duration - self.start)
        # Sound may end a little after the picture.
        shown = self._shown[: math.floor(covered + 1e-6)]
        said = notes(info, heard=bool(self._samples.any()), missing=int((~shown).sum()))
        return Features(
            mfcc=mfcc(self._sound(covered), self.settings),
            frames=self._frames,
            text=self._text,
            name=name,
            side=side,
            start=self.start,
            covered=covered,
            duration=info.duration,
            source=source,
            settings=self.settings,
            notes=tuple(said),
        )

    def _sound(self, covered: float) -> np.ndarray:
        """The samples of what the file covers; none where all is silent."""
        heard = self._samples[: round(covered * self.settings.sample_rate)]
        if not heard.any():
            return np.zeros(0, np.float32)
        missing = round(covered * self.settings.sample_rate) - len(heard)
        return np.pad(heard, (0, missing))


def notes(info: MediaInfo, *, heard: bool, missing: int) -> Iterator[str]:
    """What a user should know of features.

    Args:
        heard: whether any sample is not silent.
        missing: seconds without a picture.
    """
    if info.truncated:
        yield f"the file is cut short: only {info.duration:.1f} s can be read"
    if not info.audio:
        yield "no sound: the MFCC are zeros"
    elif not heard:
        yield "the sound is silent throughout: the MFCC are zeros"
    if info.video is None:
        yield "no picture: frames and text are zeros"
    elif missing:
        yield f"seconds without a picture, black: {missing}"
