"""Seasons of episodes in real files, with the truth about their openings and endings.

``make_scenario("two_openings", folder)`` makes the files of a named scenario and returns what is
true: file name → labelled segments. ``make_season`` does so for any plans. Pieces with the same
seeds sound and look the same in every episode, all else differs everywhere. A season of five
episodes of two and a half minutes costs about three CPU seconds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soxr
from av.video.frame import PictureType
from making.season_material import SYNTHESIZED, Material
from making.season_picture import piece_pictures
from making.season_plan import FRAMES_PER_SECOND, EpisodePlan, Release
from making.season_scenarios import SCENARIOS
from making.season_series import Scale
from making.season_sound import SAMPLE_RATE, piece_sound, sample
from scipy.signal import lfilter

from clipping.files import atomic_path
from clipping.segments import Segment

BLOCK_SECONDS = 10
_FRAME = Fraction(1, FRAMES_PER_SECOND)
_VIDEO_OPTIONS = {
    "libx264": {"preset": "ultrafast", "threads": "1", "crf": "30", "x264-params": "scenecut=0"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "threads": "1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "threads": "1"},
    "mpeg4": {"threads": "1"},
}
_AUDIO_OPTIONS = {
    "aac": {"aac_coder": "fast"},
    "libopus": {"compression_level": "0"},
    "libmp3lame": {"compression_level": "9"},
    "flac": {"compression_level": "0"},
}


def make_scenario(
    name: str, folder: Path, *, scale: Scale = "test", seed: int = 1
) -> dict[str, list[Segment]]:
    """The files of ``SCENARIOS[name]``, and their truth by file name."""
    return make_season(folder, SCENARIOS[name](seed, scale))


def make_season(
    folder: Path, plans: Sequence[EpisodePlan], material: Material = SYNTHESIZED
) -> dict[str, list[Segment]]:
    """Files of all plans, and their truth by file name. Files that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[EpisodePlan, Path] = {}
    for plan in plans:
        path = folder / plan.file
        what = replace(plan, name="")
        if path.exists():
            pass
        elif what in made:
            with atomic_path(path) as temporary:
                shutil.copyfile(made[what], temporary)
        else:
            with atomic_path(path) as temporary:
                make_episode(temporary, plan, material)
        made.setdefault(what, path)
    return {plan.file: plan.truth for plan in plans}


def make_episode(path: Path, plan: EpisodePlan, material: Material = SYNTHESIZED) -> None:
    """One file; its container is the release's, whatever the path's suffix."""
    if plan.damage == "noise":
        path.write_bytes(np.random.default_rng(len(plan.name)).bytes(200_000))
        return
    _encode(path, plan, material)
    if plan.damage == "truncated":
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * 0.6)])


def _encode(path: Path, plan: EpisodePlan, material: Material) -> None:
    release = plan.release
    container_format = {".mkv": "matroska", ".mp4": "mp4", ".webm": "webm"}[release.suffix]
    with av.open(str(path), "w", format=container_format) as container:
        video = audio = None
        if release.video is not None:
            video = container.add_stream(
                release.video, rate=FRAMES_PER_SECOND, options=_VIDEO_OPTIONS[release.video]
            )
            video.width, video.height = release.size
            video.pix_fmt, video.gop_size, video.max_b_frames = "yuv420p", 80, 0
        if release.audio is not None:
            audio = container.add_stream(
                release.audio,
                rate=release.rate,
                layout=release.layout,
                options=_AUDIO_OPTIONS.get(release.audio, {}),
            )
        frames = _pictures(plan)
        sounds = _sounds(plan, release, material)
        number = heard = 0
        going = True
        while going:
            going = False
            block = next(sounds, None) if audio is not None else None
            if block is not None:
                going = True
                container.mux(audio.encode(_audio_frame(block, heard, release)))
                heard += len(block)
            until = heard / release.rate * FRAMES_PER_SECOND if block is not None else np.inf
            while video is not None and number < until:
                picture = next(frames, None)
                if picture is None:
                    break
                going = True
                container.mux(video.encode(picture))
                number += 1
        for stream in (video, audio):
            if stream is not None:
                container.mux(stream.encode(None))


def _pictures(plan: EpisodePlan) -> Iterator[av.VideoFrame]:
    number = 0
    held: np.ndarray | None = None
    frame: av.VideoFrame | None = None
    for piece in plan.pieces:
        for planes, cut in piece_pictures(piece, plan.release.size):
            if planes is not held or frame is None:
                held, frame = planes, av.VideoFrame.from_ndarray(planes, "yuv420p")
                frame.time_base = _FRAME
            frame.pict_type = PictureType.I if cut else PictureType.NONE
            frame.pts = number
            number += 1
            yield frame


def _sounds(plan: EpisodePlan, release: Release, material: Material) -> Iterator[np.ndarray]:
    """Blocks of float32 samples at the release's rate: mixed, mastered, resampled."""
    rng = np.random.default_rng([ord(letter) for letter in plan.name])
    resampler = soxr.ResampleStream(SAMPLE_RATE, release.rate, 1, dtype="float32", quality="MQ")
    state = np.zeros(1, np.float32)
    fall = np.float32(np.exp(-2 * np.pi * 1500 / SAMPLE_RATE))
    treble = np.float32(10 ** (release.tilt / 20))
    at = 0
    for place, piece in enumerate(plan.pieces):
        end = at + round(piece.seconds * FRAMES_PER_SECOND)
        sound = piece_sound(piece, sample(end) - sample(at), material)
        if release.tilt:
            bass, state = lfilter([1 - fall], [1, -fall], sound, zi=state)
            sound = bass + treble * (sound - bass)
        if release.noise is not None:
            level = np.float32(0.1 * 10 ** (-release.noise / 20))  # against talk
            sound = sound + level * rng.standard_normal(len(sound), dtype=np.float32)
        sound = np.clip(sound * np.float32(release.gain), -1, 1).astype(np.float32)
        last = place == len(plan.pieces) - 1
        sound = resampler.resample_chunk(sound, last=last)
        size = BLOCK_SECONDS * release.rate
        yield from (sound[i : i + size] for i in range(0, len(sound), size))
        at = end


def _audio_frame(block: np.ndarray, start: int, release: Release) -> av.AudioFrame:
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[release.layout]
    planes = np.repeat(block[None], channels, axis=0)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), "fltp", release.layout)
    frame.sample_rate, frame.pts = release.rate, start
    frame.time_base = Fraction(1, release.rate)
    return frame
