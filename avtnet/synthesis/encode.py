"""Encode an episode as a file: H.264 and AAC in MP4, small and quickly made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image, ImageChops

from avtnet.synthesis.music import SAMPLE_RATE, Sound
from clipping.errors import MediaError

AUDIO_BIT_RATE = 32_000
PACKET_SAMPLES = 1024
"""Samples of one AAC packet."""
CHUNK_SECONDS = 10
VIDEO_OPTIONS = {
    # The cheapest search for motion: half the time for a tenth more bytes.
    "preset": "veryfast",
    "me_method": "dia",
    "subq": "1",
    "refs": "1",
    "bf": "0",
    "crf": "27",
    # One thread: the same input gives the same bytes on any machine with the same encoder.
    "threads": "1",
}


def encode(
    path: Path,
    pictures: Iterable[Image.Image],
    sound: Sound,
    *,
    size: tuple[int, int],
    rate: int,
    grain: float = 0.0,
    seed: int = 0,
    crf: int = 27,
) -> None:
    """Write pictures, ``rate`` per second, and mono sound; both start at 0.

    The sound ends up to 46 ms before the picture, with a whole packet: so the length of the file is
    that of the picture, and times counted from its end are exact.

    Args:
        crf: the codec's constant rate factor: 18 is nearly without loss, 40 is bad.

    Raises:
        MediaError: if FFmpeg cannot write the file.
        OSError: for errors of the disk.
    """
    whole = len(sound) // PACKET_SAMPLES * PACKET_SAMPLES
    frames = _video_frames(pictures, size, rate, grain, seed)
    try:
        with av.open(str(path), "w", format="mp4") as container:
            options = {**VIDEO_OPTIONS, "crf": str(crf), "g": str(CHUNK_SECONDS * rate)}
            video = container.add_stream("libx264", rate=rate, options=options)
            video.width, video.height, video.pix_fmt = *size, "yuv420p"
            audio = container.add_stream(
                "aac", rate=SAMPLE_RATE, layout="mono", options={"aac_coder": "fast"}
            )
            audio.bit_rate = AUDIO_BIT_RATE
            written = 0
            for number, frame in enumerate(frames, 1):
                container.mux(video.encode(frame))
                until = min(whole, number // (CHUNK_SECONDS * rate) * CHUNK_SECONDS * SAMPLE_RATE)
                if until > written:
                    container.mux(audio.encode(_audio_frame(sound[written:until], written)))
                    written = until
            if whole > written:
                container.mux(audio.encode(_audio_frame(sound[written:whole], written)))
            container.mux(video.encode(None))
            container.mux(audio.encode(None))
    except OSError:
        raise
    except av.FFmpegError as error:
        raise MediaError(f"{path}: cannot be encoded: {error}") from error


def _video_frames(
    pictures: Iterable[Image.Image], size: tuple[int, int], rate: int, grain: float, seed: int
) -> Iterator[av.VideoFrame]:
    """Yield the pictures converted for the encoder and numbered; a held one is converted once."""
    rng = np.random.default_rng(seed)
    noise = [_noise(rng, grain, size) for _ in range(4 if grain else 0)]
    time_base = Fraction(1, rate)
    converter = VideoReformatter()
    held: Image.Image | None = None
    frame: av.VideoFrame | None = None
    for number, picture in enumerate(pictures):
        if picture is not held or noise or frame is None:
            held = picture
            if noise:
                picture = ImageChops.add(picture, noise[number % len(noise)], offset=-128)
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), "rgb24")
            frame = converter.reformat(frame, format="yuv420p", interpolation="AREA")
        frame.pts, frame.time_base = number, time_base
        yield frame


def _noise(rng: np.random.Generator, deviation: float, size: tuple[int, int]) -> Image.Image:
    """Grey noise around 128."""
    grey = rng.normal(128, deviation, (size[1], size[0])).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _audio_frame(sound: Sound, start: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None]), "fltp", "mono")
    frame.sample_rate = SAMPLE_RATE
    frame.pts = start
    return frame
