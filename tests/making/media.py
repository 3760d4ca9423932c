"""Small real media files whose picture and sound tell the time, so that tests can be exact.

Every frame carries its own number as a barcode in the top third of the picture (20 bits and a
checksum, readable down to about 80x45 pixels), above a moving picture. The sound of second k is a
quiet tone whose pitch means k (modulo 32) and which language it is, with a click at the very
start of the second, so picture and sound can each be asked "when are you?" after any cut.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

_ROWS, _COLUMNS = 3, 8
_NUMBER_BITS = 20
_CLICK_HERTZ, _CLICK_SECONDS = 3400.0, 0.010
_TONE_HERTZ, _TONE_STEP, _TONES, _TRACK_STEP = 300.0, 25.0, 32, 1000.0

_QUICK = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "11"},
}
os.environ.setdefault("SVT_LOG", "0")  # or SVT-AV1 writes its whole settings on stderr


def make_media(
    path: Path | str,
    *,
    duration: float = 4.0,
    size: tuple[int, int] = (320, 180),
    rate: Fraction | int = 24,
    video_codec: str | None = "libx264",
    pixel_format: str = "yuv420p",
    gop: int = 24,
    b_frames: int = 2,
    open_gop: bool = False,
    audio_codec: str | None = "aac",
    audio_rate: int = 44100,
    layout: str = "stereo",
    languages: Sequence[str] = ("eng",),
    rotation: int = 0,
    start: float = 0.0,
    audio_start: float | None = None,
    variable: bool = False,
    bit_rate: int = 400_000,
    codec_options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    format: str | None = None,
    draw: Callable[[int, float, tuple[int, int]], np.ndarray] | None = None,
    sound: Callable[[np.ndarray, int], np.ndarray] | None = None,
) -> Path:
    """Encode a file; the suffix chooses the container (or ``format``, FFmpeg's name).

    Args:
        size: width and height as a viewer sees them, before ``rotation``.
        video_codec: an FFmpeg encoder; None leaves the picture out. ``audio_codec`` likewise.
        languages: one sound track each.
        rotation: degrees clockwise that a player turns the stored picture (mp4, mov).
        start: media time of the first frame and sample in the file; negative: the first seconds
            are there but an edit list hides them (mp4, mov). Barcode and clicks count from it.
        audio_start: the same for the sound alone; None: as ``start``.
        variable: variable frame rate; :func:`frame_times` tells when each frame is shown.
        draw: (number, time, (width, height)) → rgb uint8 picture, in place of the moving picture;
            the barcode is still written over it.
        sound: (times in seconds, track) → samples in -1..1, in place of the tones and clicks.
    """
    path = Path(path)
    options = dict(container_options or {})
    if path.suffix.lower() in (".mp4", ".mov", ".m4a"):
        options.setdefault("movflags", "faststart")
    with av.open(str(path), "w", format=format, options=options) as container:
        packets: list[Iterator[tuple[float, list[av.Packet]]]] = []
        if video_codec is not None:
            stored = size[::-1] if rotation % 180 else size
            video = container.add_stream(
                video_codec,
                rate=rate,
                options=_video_options(video_codec, b_frames, open_gop, codec_options or {}),
            )
            video.width, video.height, video.pix_fmt = *stored, pixel_format
            video.gop_size, video.bit_rate = gop, bit_rate
            video.max_b_frames = b_frames if video_codec in ("libx264", "mpeg2video") else 0
            ticks = 1000 if variable else 1
            video.codec_context.time_base = 1 / Fraction(rate) / ticks
            if rotation:
                video.set_display_rotation(-rotation)  # FFmpeg counts counterclockwise
            times = frame_times(duration, rate, variable=variable)
            packets.append(_encode_video(video, times, size, rotation, start, draw))
        if audio_codec is not None:
            for track, language in enumerate(languages):
                audio = container.add_stream(audio_codec, rate=audio_rate, layout=layout)
                audio.metadata["language"] = language
                begin = start if audio_start is None else audio_start
                packets.append(_encode_audio(audio, track, duration, begin, sound))
        _mux_in_order(container, packets)
    return path


def frame_times(
    duration: float, rate: Fraction | int = 24, *, variable: bool = False
) -> list[Fraction]:
    """When each frame of :func:`make_media` is shown, in seconds after the first one."""
    holds = (1, 2, 1, 5, 1, 1, 3) if variable else (1,)
    times, position = [], 0
    while Fraction(position) / rate < duration:
        times.append(Fraction(position) / rate)
        position += holds[(len(times) - 1) % len(holds)]
    return times


def read_barcode(rgb: np.ndarray) -> int:
    """The number of the frame, from uint8 (height, width, 3).

    Raises:
        ValueError: where the picture carries no whole barcode.
    """
    height, width = rgb.shape[:2]
    grey = rgb.astype(np.float64).mean(axis=2)
    bits = []
    for row in range(_ROWS):
        for column in range(_COLUMNS):
            top, left = (row + 0.5) * height / 3 / _ROWS, (column + 0.5) * width / _COLUMNS
            reach = max(0.0, height / 3 / _ROWS / 4)
            rows = slice(int(top - reach), int(top + reach) + 1)
            bits.append(grey[rows, int(left - reach) : int(left + reach) + 1].mean() > 127)
    word = sum(int(bit) << place for place, bit in enumerate(bits))
    number, checksum = word & (1 << _NUMBER_BITS) - 1, word >> _NUMBER_BITS
    if checksum != _checksum(number):
        raise ValueError(f"no barcode in this picture of {width}x{height}: word {word:024b}")
    return number


class Click(NamedTuple):
    """A click that was heard ``at`` a time of the samples and stands for ``second``."""

    at: float
    second: int
    track: int


def read_clicks(samples: np.ndarray, rate: int) -> list[Click]:
    """Find the clicks, to about 0.1 ms, in mono samples at 8 kHz or more.

    A click within 0.35 s of the end is left out: there is too little tone to tell its second
    (which is known modulo 32).
    """
    length = int(_CLICK_SECONDS * rate)
    ramp = np.arange(length) - (length - 1) / 2
    kernel = np.hanning(length) * np.exp(2j * np.pi * _CLICK_HERTZ / rate * ramp)
    loudness = np.abs(np.convolve(samples, kernel, mode="full")) / np.hanning(length).sum()
    loud = loudness > max(0.1, loudness.max(initial=0.0) / 2)
    clicks = []
    for begin in np.flatnonzero(loud & ~np.roll(loud, 1)):
        peak = begin + int(np.argmax(loudness[begin : begin + length]))
        middle = peak - (length - 1) / 2
        at = float((middle - (length - 1) / 2) / rate)
        first = int(middle + 0.05 * rate)
        tone = samples[first : first + int(0.3 * rate)]
        if len(tone) == int(0.3 * rate):
            spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone)), 8 * rate))
            spectrum[8 * 2500 :] = 0
            place = round((np.argmax(spectrum) / 8 - _TONE_HERTZ) / _TONE_STEP)
            track, second = divmod(place, round(_TRACK_STEP / _TONE_STEP))
            clicks.append(Click(at, second, track))
    return clicks


def truncate(path: Path, keep: float = 0.6) -> Path:
    """Cut the file short, as a broken download is (``keep``: the share of bytes that stay)."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def corrupt(path: Path, begin: float = 0.45, end: float = 0.55, *, seed: int = 1) -> Path:
    """Overwrite a share of the file's bytes with noise."""
    data = bytearray(path.read_bytes())
    first, last = int(len(data) * begin), int(len(data) * end)
    data[first:last] = np.random.default_rng(seed).bytes(last - first)
    path.write_bytes(data)
    return path


def _video_options(
    codec: str, b_frames: int, open_gop: bool, given: dict[str, str]
) -> dict[str, str]:
    options = dict(_QUICK.get(codec, {}))
    if codec == "libx264":
        options["x264-params"] = f"open-gop={int(open_gop)}:scenecut=0"
    elif codec == "libx265":
        options["x265-params"] = (
            f"log-level=none:bframes={b_frames}:open-gop={int(open_gop)}:scenecut=0:pools=1"
        )
    return options | given


def _mux_in_order(
    container: av.container.OutputContainer,
    sources: Sequence[Iterator[tuple[float, list[av.Packet]]]],
) -> None:
    """Always go on with the stream that is behind, as a live encoder does."""
    waiting = {source: (-np.inf, []) for source in sources}
    while waiting:
        source = min(waiting, key=lambda each: waiting[each][0])
        container.mux(waiting[source][1])
        following = next(source, None)
        if following is None:
            del waiting[source]
        else:
            waiting[source] = following


def _encode_video(
    stream: av.VideoStream,
    times: Sequence[Fraction],
    size: tuple[int, int],
    rotation: int,
    start: float,
    draw: Callable[[int, float, tuple[int, int]], np.ndarray] | None,
) -> Iterator[tuple[float, list[av.Packet]]]:
    time_base = stream.codec_context.time_base
    for number, time in enumerate(times):
        picture = (draw or _draw_moving)(number, float(time), size).copy()
        _write_barcode(picture, number)
        stored = np.ascontiguousarray(np.rot90(picture, rotation // 90))
        frame = av.VideoFrame.from_ndarray(stored, "rgb24")
        frame.pts = round((time + Fraction(start)) / time_base)
        frame.time_base = time_base
        yield float(time) + start, stream.encode(frame)
    yield float(times[-1]) + start, stream.encode(None)


def _encode_audio(
    stream: av.AudioStream,
    track: int,
    duration: float,
    start: float,
    sound: Callable[[np.ndarray, int], np.ndarray] | None,
) -> Iterator[tuple[float, list[av.Packet]]]:
    rate, channels = stream.rate, stream.codec_context.layout.nb_channels
    fixed = stream.codec_context.codec.name.startswith("pcm_")
    sample_format = "s16" if fixed else "flt"
    block = rate // 4
    total = round(duration * rate)
    shift = round(start * rate)
    for first in range(0, total, block):
        times = np.arange(first, min(first + block, total)) / rate
        mono = (sound or _tones_and_clicks)(times, track)
        # Every channel at its own loudness, so that a mean over channels can be told from one.
        packed = np.outer(mono, 1 / (1 + 0.25 * np.arange(channels))).reshape(1, -1)
        samples = (packed * 32767).astype(np.int16) if fixed else packed.astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, sample_format, stream.codec_context.layout)
        frame.rate, frame.time_base, frame.pts = rate, Fraction(1, rate), shift + first
        yield first / rate + start, stream.encode(frame)
    yield total / rate + start, stream.encode(None)


def _draw_moving(number: int, time: float, size: tuple[int, int]) -> np.ndarray:
    """A slow colour wash with a bright block that crosses it once in 4 s."""
    width, height = size
    across = np.linspace(0, 1, width)[None, :]
    down = np.linspace(0, 1, height)[:, None]
    phase = time * 0.5
    picture = np.stack(
        [
            110 + 60 * np.sin(2 * np.pi * (across + phase)) + 0 * down,
            110 + 60 * np.cos(2 * np.pi * (down - phase)) + 0 * across,
            110 + 60 * np.sin(2 * np.pi * (across * down + phase)),
        ],
        axis=2,
    )
    left = int(width * ((time / 4) % 1))
    picture[height // 2 : height * 3 // 4, left : left + width // 8] = (240, 220, 40)
    return picture.astype(np.uint8)


def _write_barcode(picture: np.ndarray, number: int) -> None:
    height, width = picture.shape[:2]
    word = number | _checksum(number) << _NUMBER_BITS
    for place in range(_ROWS * _COLUMNS):
        row, column = divmod(place, _COLUMNS)
        rows = slice(row * height // (3 * _ROWS), (row + 1) * height // (3 * _ROWS))
        columns = slice(column * width // _COLUMNS, (column + 1) * width // _COLUMNS)
        picture[rows, columns] = 235 if word >> place & 1 else 16


def _checksum(number: int) -> int:
    """Four bits; never 0 for number 0, so that a black picture is no barcode."""
    folded = 0b1010
    while number:
        folded ^= number & 15
        number >>= 4
    return folded


def _tones_and_clicks(times: np.ndarray, track: int) -> np.ndarray:
    second = np.floor(times + 1e-9)
    within = times - second
    pitch = _TONE_HERTZ + _TONE_STEP * (second % _TONES) + _TRACK_STEP * track
    tone = 0.15 * np.sin(2 * np.pi * pitch * within)
    click = 0.5 - 0.5 * np.cos(2 * np.pi * within / _CLICK_SECONDS)
    burst = 0.8 * click * np.sin(2 * np.pi * _CLICK_HERTZ * within)
    return np.where(within < _CLICK_SECONDS, burst, tone)
