"""Extract the features of an episode's windows from its media file."""

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
    """Return the features of the first (``start``) or the last (``end``) window of a media file.

    Missing sound or picture becomes zeros, and :attr:`Features.notes` says so.

    Args:
        path: any file with sound, picture, or both.
        side: in a file shorter than a window both windows hold the same seconds.
        settings: None: the defaults, with which AVTNet was trained.
        name: the episode's name; None: the file's name without its suffix.
        easyocr_models: folder with EasyOCR's weights, used if that engine is chosen.

    Raises:
        MediaError: if the file is no media, or has neither sound nor picture.
        ClippingError: if the text engine is not installed.
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
    """Yield several windows of one file, one after the other, like :func:`extract`.

    Args:
        reader: reads the words of the text; None: no words are returned.
        threads: of the picture's decoder; None: one for each core. One thread is best if other
            processes run.

    Yields:
        (features, lines of text) of each window.

    Raises:
        As :func:`extract`; windows that were yielded before the error are valid.
    """
    path, settings = Path(path), settings or FeatureSettings()
    source = identify(path)
    made: _Window | None = None
    with open_one_pass(path, threads=threads) as scan:
        for side in sides:
            start = 0.0
            if side == "end":
                start = max(0.0, checked(scan.info).duration - settings.window)
            if made is None or made.start != start:  # in a short file both windows are the same
                made = _Window(start, settings, easyocr_models, reader)
                made.read(scan)
            episode = path.stem if name is None else name
            yield made.features(episode, side, checked(scan.info), source), made.lines


def checked(info: MediaInfo) -> MediaInfo:
    """Return the info of a file that has sound or picture, and a length.

    Raises:
        MediaError: if it has not.
    """
    if info.video is None and not info.audio:
        raise MediaError(f"{info.path}: has neither sound nor picture")
    if info.duration <= 0:
        raise MediaError(f"{info.path}: has no length; nothing in it can be shown or heard")
    return info


class FrameFeatures:
    """Makes thumbnails and text masks of frames."""

    def __init__(
        self, settings: FeatureSettings, easyocr_models: Path | None, reader: TextReader | None
    ) -> None:
        self._cells = (settings.mask_width, settings.mask_height)
        self._track, self._reader = TextTrack(detector(settings, easyocr_models)), reader

    def look(
        self, second: int, frame: Frame, thumbnail: np.ndarray
    ) -> tuple[np.ndarray, list[Line]]:
        """Draw the thumbnail; return the text mask, and lines of words if there is a reader."""
        draw_thumbnail(frame, thumbnail)
        boxes = self._track.find(frame)
        lines = []
        if self._reader is not None and boxes:
            lines = read_lines(self._reader, frame.rgb(), boxes, second, frame.time)
        return fill(boxes, frame.size, self._cells), lines


@dataclass
class _Window:
    """Pictures, text and sound of one window, read second by second."""

    start: float
    settings: FeatureSettings
    easyocr_models: Path | None
    reader: TextReader | None
    lines: list[Line] = field(default_factory=list)

    def read(self, scan: OnePass) -> None:
        """Read thumbnails, masks, words and samples in one pass over the window."""
        settings = self.settings
        self._frames = np.zeros(settings.shapes["frames"], np.uint8)
        self._text = np.zeros(settings.shapes["text"], bool)
        self._shown = np.zeros(settings.seconds, bool)
        per_frame = FrameFeatures(settings, self.easyocr_models, self.reader)
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
                self._text[second], lines = per_frame.look(second, frame, self._frames[second])
                self.lines += lines
        self._samples = np.concatenate(blocks)

    def features(self, name: str, side: Side, info: MediaInfo, source: Source) -> Features:
        covered = min(self.settings.window, info.duration - self.start)
        # Sound may end a little after the picture.
        shown = self._shown[: math.floor(covered + 1e-6)]
        remarks = notes(info, audible=bool(self._samples.any()), missing=int((~shown).sum()))
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
            notes=tuple(remarks),
        )

    def _sound(self, covered: float) -> np.ndarray:
        """Return the samples of the seconds in the file; none if all are silent."""
        samples = self._samples[: round(covered * self.settings.sample_rate)]
        if not samples.any():
            return np.zeros(0, np.float32)
        missing = round(covered * self.settings.sample_rate) - len(samples)
        return np.pad(samples, (0, missing))


def notes(info: MediaInfo, *, audible: bool, missing: int) -> Iterator[str]:
    """Yield remarks for the user about features.

    Args:
        audible: True if any sample is not silent.
        missing: number of seconds without a picture.
    """
    if info.truncated:
        yield f"the file is cut short: only {info.duration:.1f} s can be read"
    if not info.audio:
        yield "no sound: the MFCC are zeros"
    elif not audible:
        yield "the sound is silent throughout: the MFCC are zeros"
    if info.video is None:
        yield "no picture: frames and text are zeros"
    elif missing:
        yield f"seconds without a picture, black: {missing}"
