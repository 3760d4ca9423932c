"""An episode to measure with: drawn like anime, encoded like a release, 24 minutes long.

    python benchmarks/episode_media.py episode.mp4 [--codec hevc --size 1280x720]

A minute of story and half a minute of credits are drawn and encoded once (two minutes of two
cores at 1080p) and repeated by copying packets: credits, story, credits. Stills, pans, mouths
that flap every third frame, quick action, grain on a third of the scenes.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

RATE = Fraction(24000, 1001)
SCENE_FRAMES = 72
REORDER = 4  # frames that encoders hold back at most
STORY_SCENES, CREDIT_SCENES = 20, 10
CODECS = {
    "h264": ("libx264", "yuv420p", {"preset": "medium", "crf": "20", "x264-params": "bframes=3"}),
    "hevc": (
        "libx265",
        "yuv420p10le",
        {"preset": "medium", "crf": "22", "x265-params": "log-level=none"},
    ),
}
WORDS = (
    "監督 山田太郎|原作 鈴木花子|Series Composition  B. Sample|音楽 佐藤一郎|Character Design|"
    "Art Director  D. Person|美術監督|Sound Director|Producers  F. Doe  G. Roe|制作 製作委員会"
).split("|")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--codec", choices=CODECS, default="h264")
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--seconds", type=float, default=1440.0)
    parser.add_argument("--font", help="a font with CJK glyphs; absent, the Latin lines only")
    options = parser.parse_args(argv)
    width, height = map(int, options.size.split("x"))
    make(options.output, (width, height), options.codec, options.seconds, options.font)
    return 0


def make(
    path: Path, size: tuple[int, int], codec: str, seconds: float, font: str | None = None
) -> Path:
    """Write the episode; the suffix chooses the container."""
    story = path.with_name(f".{path.stem}.story.mkv")
    credits = path.with_name(f".{path.stem}.credits.mkv")
    try:
        _encode(story, _scenes(STORY_SCENES, size, None, seed=1), codec, size)
        words = font or _dejavu()
        _encode(credits, _scenes(CREDIT_SCENES, size, words, seed=2), codec, size)
        _repeat(path, story, credits, seconds)
    finally:
        story.unlink(missing_ok=True)
        credits.unlink(missing_ok=True)
    return path


def _scenes(
    count: int, size: tuple[int, int], font: str | None, *, seed: int
) -> Iterator[np.ndarray]:
    """RGB frames, ``SCENE_FRAMES`` a scene."""
    rng = np.random.default_rng(seed)
    width, height = size
    grain = rng.normal(0, 3, (height + 64, width + 64)).astype(np.int8)[..., np.newaxis]
    for scene in range(count):
        wide = _background(rng, (width + width // 4, height + height // 8))
        kind, grainy = rng.choice(["still", "pan", "talk", "action"]), rng.random() < 0.35
        face = _face(rng, height)
        for frame in range(SCENE_FRAMES):
            x = frame * width // 4 // SCENE_FRAMES if kind in ("pan", "action") else 0
            y = int(rng.integers(0, height // 16)) if kind == "action" and frame % 2 else 0
            picture = wide[y : y + height, x : x + width].copy()
            if kind in ("talk", "action"):
                mouth = frame // 3 % 2
                h, w = face[mouth].shape[:2]
                at = (width // 3 + (frame * 9 if kind == "action" else 0)) % (width - w)
                picture[height - h :, at : at + w] = face[mouth]
            if font is not None:
                picture = _write(picture, font, scene)
            if grainy:
                dy, dx = rng.integers(0, 64, 2)
                noise = grain[dy : dy + height, dx : dx + width]
                picture = np.clip(picture.astype(np.int16) + noise, 0, 255).astype(np.uint8)
            yield picture


def _background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    coarse = rng.integers(30, 230, (9, 16, 3)).astype(np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        x, y = (int(rng.integers(0, side)) for side in size)
        w, h = (int(v) for v in rng.integers(size[1] // 40, size[1] // 4, 2))
        color = tuple(int(v) for v in rng.integers(0, 256, 3))
        draw.rectangle((x, y, x + w, y + h), fill=color, outline=(0, 0, 0), width=3)
    fine = rng.integers(-2, 3, (size[1] // 2, size[0] // 2, 1)).repeat(2, 0).repeat(2, 1)
    picture = np.asarray(image.filter(ImageFilter.GaussianBlur(1)), np.int16)
    return np.clip(picture[: fine.shape[0], : fine.shape[1]] + fine, 0, 255).astype(np.uint8)


def _face(rng: np.random.Generator, height: int) -> list[np.ndarray]:
    side = height // 2
    faces = []
    for mouth in (4, side // 10):
        image = Image.new("RGB", (side, side), (90, 120, 160))
        draw = ImageDraw.Draw(image)
        draw.ellipse((side // 8, 4, side * 7 // 8, side - 4), (250, 220, 200), (20, 20, 20), 4)
        for eye in (side // 3, side * 2 // 3):
            box = (eye - side // 12, side // 3, eye + side // 12, side // 2)
            draw.ellipse(box, (60, 40, 120), (0, 0, 0), 4)
        center = (side // 2 - side // 12, side * 7 // 10, side // 2 + side // 12)
        draw.ellipse((*center, side * 7 // 10 + mouth), (150, 30, 40))
        faces.append(np.asarray(image))
    return faces


def _write(picture: np.ndarray, font: str, scene: int) -> np.ndarray:
    height, width = picture.shape[:2]
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    letters = ImageFont.truetype(font, height // 22)
    for row in range(4):
        draw.text(
            (width * 0.55, height * (0.3 + row * 0.09)),
            WORDS[(scene + row) % len(WORDS)],
            (255, 255, 255),
            letters,
            stroke_width=3,
            stroke_fill=(20, 20, 30),
        )
    return np.asarray(image)


def _dejavu() -> str:
    """A Latin font that comes with matplotlib."""
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


def _encode(path: Path, pictures: Iterator[np.ndarray], codec: str, size: tuple[int, int]) -> None:
    encoder, pixel_format, options = CODECS[codec]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, 1 / RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _repeat(path: Path, story: Path, credits: Path, seconds: float) -> None:
    """Credits, story, credits by copying packets, with sound."""
    frames = {story: STORY_SCENES * SCENE_FRAMES, credits: CREDIT_SCENES * SCENE_FRAMES}
    lengths = {file: float(count / RATE) for file, count in frames.items()}
    ends = round(90 / lengths[credits])
    middle = max(0, round((seconds - 2 * ends * lengths[credits]) / lengths[story]))
    order = [credits] * ends + [story] * middle + [credits] * ends
    with av.open(str(path), "w") as new:
        with av.open(str(story)) as first:
            video = new.add_stream_from_template(first.streams.video[0])
        audio = new.add_stream("aac", rate=48000, layout="stereo", bit_rate=192_000)
        sound = _sound(audio)
        heard, begin = 0.0, 0
        for file in order:
            with av.open(str(file)) as source:
                unit = source.streams.video[0].time_base
                packets = (packet for packet in source.demux(video=0) if packet.size)
                for index, packet in enumerate(packets):
                    # Matroska rounds times to milliseconds and knows no order of decoding.
                    packet.pts = begin + round(packet.pts * unit * RATE)
                    packet.dts = begin + index - REORDER
                    packet.time_base = 1 / RATE
                    packet.stream = video
                    while heard < packet.pts / RATE:
                        heard, audio_packets = next(sound)
                        new.mux(audio_packets)
                    new.mux(packet)
            begin += frames[file]
        new.mux(audio.encode(None))


def _sound(stream: av.AudioStream) -> Iterator[tuple[float, list[av.Packet]]]:
    """Chords with noise, a second at a time: (second reached, packets)."""
    rng = np.random.default_rng(3)
    times = np.arange(48000) / 48000
    for second in itertools.count(1):
        notes = 220 * 2 ** (rng.integers(0, 24, 4) / 12)
        chord = sum(np.sin(2 * np.pi * note * times) * np.exp(-2 * times) for note in notes)
        mono = 0.15 * chord + rng.normal(0, 0.01, 48000)
        block = np.stack([mono, mono * 0.8]).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(block, "fltp", "stereo")
        frame.rate, frame.pts, frame.time_base = 48000, (second - 1) * 48000, Fraction(1, 48000)
        yield float(second), stream.encode(frame)


if __name__ == "__main__":
    raise SystemExit(main())
