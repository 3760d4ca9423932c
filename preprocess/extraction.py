"""One window of an episode, from the file to the features of the network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from clipping.errors import MediaError
from clipping.media import MediaInfo, frames_at, probe, read_audio
from clipping.tables import Side
from preprocess.audio import mfcc
from preprocess.features import Features, identify
from preprocess.frames import place
from preprocess.recognition import Line, TextReader, read_lines
from preprocess.settings import FeatureSettings
from preprocess.text import detector, fill


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
    return extract_text(path, side, settings, name=name, easyocr_models=easyocr_models)[0]


def extract_text(
    path: Path | str,
    side: Side,
    settings: FeatureSettings | None = None,
    *,
    name: str | None = None,
    easyocr_models: Path | None = None,
    reader: TextReader | None = None,
) -> tuple[Features, list[Line]]:
    """Like :func:`extract`, with the words as well where a ``reader`` is given."""
    path, settings = Path(path), settings or FeatureSettings()
    info = probe(path)
    if info.video is None and not info.audio:
        raise MediaError(f"{path}: has neither sound nor picture")
    if info.duration <= 0:
        raise MediaError(f"{path}: has no length; nothing in it can be shown or heard")
    source = identify(path)
    start = max(0.0, info.duration - settings.window) if side == "end" else 0.0
    covered = min(settings.window, info.duration - start)
    notes = []
    if info.truncated:
        notes.append(f"the file is cut short: only {info.duration:.1f} s can be read")
    sound, sound_notes = _sound(info, start, covered, settings)
    frames, text, lines, frame_notes = _pictures(
        info, start, covered, settings, easyocr_models, reader
    )
    features = Features(
        mfcc=sound,
        frames=frames,
        text=text,
        name=path.stem if name is None else name,
        side=side,
        start=start,
        covered=covered,
        duration=info.duration,
        source=source,
        settings=settings,
        notes=(*notes, *sound_notes, *frame_notes),
    )
    return features, lines


def extract_sides(
    path: Path | str,
    sides: Sequence[Side],
    settings: FeatureSettings | None = None,
    *,
    name: str | None = None,
    easyocr_models: Path | None = None,
    reader: TextReader | None = None,
) -> Iterator[tuple[Features, list[Line]]]:
    """Several windows of one file, one after the other, each with its words.

    Raises:
        As :func:`extract` does; windows that came before the error are good.
    """
    for side in sides:
        yield extract_text(
            path, side, settings, name=name, easyocr_models=easyocr_models, reader=reader
        )


def _sound(
    info: MediaInfo, start: float, covered: float, settings: FeatureSettings
) -> tuple[np.ndarray, list[str]]:
    """The MFCC of the window, and what is to be said about them."""
    nothing = np.zeros(0, np.float32)
    if not info.audio:
        return mfcc(nothing, settings), ["no sound: the MFCC are zeros"]
    samples = read_audio(
        info.path,
        rate=settings.sample_rate,
        start=start,
        end=start + covered,
        stream=settings.audio,
    )
    if not samples.any():
        return mfcc(nothing, settings), ["the sound is silent throughout: the MFCC are zeros"]
    return mfcc(samples, settings), []


def _pictures(
    info: MediaInfo,
    start: float,
    covered: float,
    settings: FeatureSettings,
    easyocr_models: Path | None,
    reader: TextReader | None,
) -> tuple[np.ndarray, np.ndarray, list[Line], list[str]]:
    """Thumbnails, masks and words from one decoding, and what is to be said about them."""
    frames = np.zeros(settings.shapes["frames"], np.uint8)
    text = np.zeros(settings.shapes["text"], bool)
    lines: list[Line] = []
    if info.video is None:
        return frames, text, lines, ["no picture: frames and text are zeros"]
    engine = detector(settings, easyocr_models)
    seconds = min(settings.seconds, math.ceil(covered - 1e-6))
    missing = 0
    for second, frame in enumerate(frames_at(info.path, [start + k for k in range(seconds)])):
        if frame is None:
            missing += second + 1 <= covered  # sound may end a little after the picture
            continue
        place(frame, frames[second])
        boxes = engine.find(frame.rgb(engine.input_size(frame.size)))
        text[second] = fill(boxes, frame.size, (settings.mask_width, settings.mask_height))
        if reader is not None and boxes:
            lines += read_lines(reader, frame.rgb(), boxes, second, frame.time)
    notes = [f"seconds without a picture, black: {missing}"] if missing else []
    return frames, text, lines, notes
