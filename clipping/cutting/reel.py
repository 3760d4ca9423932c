"""Join segments of one or more files into one film, with crossfades and titles.

moviepy encodes everything again. Pictures and sound are read by this library, so variable frame
rates, rotation and start times are right. Segments of another shape get black borders.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from clipping import config
from clipping.cutting.selection import SelectionConfig, select_segments
from clipping.cutting.sound import SoundFormat, samples
from clipping.errors import ClippingError, MediaError
from clipping.extra import extra_module, font_path
from clipping.files import atomic_path, require_replaceable
from clipping.media.container import choose_audio, open_media
from clipping.media.frames import frames_at
from clipping.media.probe import MediaInfo, probe
from clipping.segments import Segment, format_time

CODECS = {
    ".m4v": ("libx264", "aac"),
    ".mkv": ("libx264", "aac"),
    ".mov": ("libx264", "aac"),
    ".mp4": ("libx264", "aac"),
    ".webm": ("libvpx-vp9", "libopus"),
}
"""Picture and sound encoder for each suffix."""
MAX_RATE = 60
"""Most pictures per second of a reel."""
_SOUND = SoundFormat("fltp", "stereo", 48000)
_TITLE_SECONDS = 3.0
_FADE_SECONDS = 0.3
_PROG = "python -m clipping reel"


@dataclass(frozen=True)
class Shot:
    """A segment of a file, to be shown in a reel."""

    path: Path
    segment: Segment
    title: str = ""
    """Text shown at its start; empty: none."""


def reel(
    shots: Sequence[Shot],
    output: Path | str,
    *,
    crossfade: float = 0.5,
    size: tuple[int, int] | None = None,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Write the shots to ``output``, one after the other.

    Args:
        crossfade: seconds that neighbours overlap; 0: hard cuts.
        size: width and height in pixels, rounded up to even numbers, which H.264 needs; None: the
            first shot's.
        progress: called with the fraction of pictures written, 0 to 1.

    Raises:
        MediaError: if a file cannot be read, has no picture, or ends before its segment.
        ClippingError: if ``output`` exists, cannot be written or has a suffix that is not in
            ``CODECS``; if the extra ``video`` is not installed; if a shot is too short for its
            crossfades.
    """
    output = Path(output)
    if output.suffix.lower() not in CODECS:
        raise ClippingError(f"{output}: a reel is {', '.join(CODECS)}")
    require_replaceable(output, overwrite=overwrite)
    if not shots:
        raise ClippingError("there are no segments to join")
    moviepy = extra_module("moviepy")
    infos = [_checked(shot, crossfade) for shot in shots]
    first = infos[0].video
    assert first is not None
    width, height = (side + side % 2 for side in size or first.display_size)
    rate = min(first.frame_rate or Fraction(25), Fraction(MAX_RATE))
    with ExitStack() as stack:
        clips = []
        for number, (shot, info) in enumerate(zip(shots, infos, strict=True)):
            clip = _clip(moviepy, shot, info, (width, height), rate, stack)
            fades: list[Any] = []
            if crossfade and number > 0:
                fades += [moviepy.vfx.CrossFadeIn(crossfade)]
                fades += [moviepy.afx.AudioFadeIn(crossfade)] if clip.audio else []
            if crossfade and number + 1 < len(shots) and clip.audio:
                fades += [moviepy.afx.AudioFadeOut(crossfade)]
            clips.append(clip.with_effects(fades))
        film = moviepy.concatenate_videoclips(clips, method="compose", padding=-crossfade)
        film = film.without_mask()
        stack.callback(film.close)
        with atomic_path(output) as temporary:
            _write(film, temporary, rate, progress)
    return output


def _checked(shot: Shot, crossfade: float) -> MediaInfo:
    info = probe(shot.path)
    if info.video is None:
        raise MediaError(f"{shot.path}: has no picture")
    if shot.segment.end > info.duration + 0.5:
        raise MediaError(
            f"{shot.path}: ends at {format_time(info.duration)}, before the end of {shot.segment}"
        )
    if shot.segment.duration < 2 * crossfade:
        raise ClippingError(
            f"{shot.path}: {shot.segment} is too short to crossfade {crossfade} s at both ends"
        )
    return info


def _clip(
    moviepy: Any,
    shot: Shot,
    info: MediaInfo,
    size: tuple[int, int],
    rate: Fraction,
    stack: ExitStack,
) -> Any:
    """A moviepy clip of one shot, with its title and sound."""
    pictures = _Pictures(shot, info, size, rate)
    stack.callback(pictures.close)
    clip = moviepy.VideoClip(pictures.at, duration=shot.segment.duration).with_fps(float(rate))
    if shot.title:
        title = _title(moviepy, shot, size)
        clip = moviepy.CompositeVideoClip([clip, title], size=size)
    sound = _sound(shot)
    if sound is not None:
        clip = clip.with_audio(moviepy.AudioArrayClip(sound, fps=_SOUND.rate))
    return clip


def _title(moviepy: Any, shot: Shot, size: tuple[int, int]) -> Any:
    width, height = size
    title = moviepy.TextClip(
        font=font_path(),
        text=shot.title,
        font_size=max(12, height // 14),
        color="white",
        stroke_color="black",
        stroke_width=max(1, height // 360),
        method="caption",
        text_align="center",
        size=(round(width * 0.9), None),
        margin=(0, height // 36),
    )
    length = min(_TITLE_SECONDS, shot.segment.duration)
    fade = min(_FADE_SECONDS, length / 3)
    title = title.with_duration(length).with_position(("center", "bottom"))
    return title.with_effects([moviepy.vfx.CrossFadeIn(fade), moviepy.vfx.CrossFadeOut(fade)])


class _Pictures:
    """The pictures of a shot at any time; quick if times ascend, else it reads from the start."""

    def __init__(self, shot: Shot, info: MediaInfo, size: tuple[int, int], rate: Fraction) -> None:
        self._shot, self._rate, self._canvas = shot, rate, size
        assert info.video is not None
        width, height = info.video.display_size
        scale = min(size[0] / width, size[1] / height)
        self._size = max(1, round(width * scale)), max(1, round(height * scale))
        self._count = max(1, round(shot.segment.duration * rate))
        self._frame: Any = None
        self._picture: np.ndarray | None = None
        self._begin()

    def at(self, time: float) -> np.ndarray:
        """The picture shown ``time`` seconds into the shot: uint8 (height, width, 3)."""
        wanted = min(max(0, round(time * self._rate)), self._count - 1)
        if wanted < self._number:
            self._begin()
        while self._number < wanted:
            frame = next(self._frames)
            self._number += 1
            if frame is not None:
                self._frame = frame
                self._picture = None
        if self._picture is None:
            self._picture = self._draw()
        return self._picture

    def close(self) -> None:
        """Close the file."""
        self._frames.close()

    def _begin(self) -> None:
        start = self._shot.segment.start
        times = [start + float(number / self._rate) for number in range(self._count)]
        self._frames: Any = frames_at(self._shot.path, times)
        self._number = -1
        self._frame = None
        self._picture = None

    def _draw(self) -> np.ndarray:
        width, height = self._canvas
        canvas = np.zeros((height, width, 3), np.uint8)
        if self._frame is not None:
            inner_width, inner_height = self._size
            top, left = (height - inner_height) // 2, (width - inner_width) // 2
            canvas[top : top + inner_height, left : left + inner_width] = self._frame.rgb(
                self._size
            )
        return canvas


def _sound(shot: Shot) -> np.ndarray | None:
    """Stereo samples (n, 2) of the file's default sound; None where it has none."""
    with open_media(shot.path) as container:
        if not container.streams.audio:
            return None
        index = choose_audio(shot.path, container, None).index
    span = (Fraction(shot.segment.start), Fraction(shot.segment.end))
    blocks = list(samples(shot.path, index, [span], _SOUND))
    if not blocks:
        return None
    return np.ascontiguousarray(np.concatenate(blocks, axis=1).T)


def _write(film: Any, path: Path, rate: Fraction, progress: Callable[[float], None] | None) -> None:
    """Encode the film; moviepy's temporary sound file is written next to it and removed.

    Raises:
        OSError: if FFmpeg failed, with FFmpeg's last line in place of moviepy's page of advice.
    """
    picture_codec, sound_codec = CODECS[path.suffix.lower()]
    sound = path.with_name(f"{path.stem}-sound.mka")
    try:
        film.write_videofile(
            str(path),
            fps=float(rate),
            codec=picture_codec,
            audio_codec=sound_codec,
            audio_fps=_SOUND.rate,
            audio_bitrate="192k",
            temp_audiofile=str(sound),
            ffmpeg_params=["-crf", "18", "-pix_fmt", "yuv420p"],
            logger=_logger(progress),
        )
    except OSError as error:
        raise OSError(str(error).strip().splitlines()[-1]) from error
    finally:
        sound.unlink(missing_ok=True)


def _logger(progress: Callable[[float], None] | None) -> Any:
    """A logger that passes moviepy's progress on; None if nobody wants it."""
    if progress is None:
        return None
    proglog = extra_module("proglog")
    report = progress

    class Logger(proglog.ProgressBarLogger):  # type: ignore[name-defined]
        def bars_callback(self, bar: str, attr: str, value: Any, old_value: Any = None) -> None:
            total = self.bars[bar]["total"]
            if bar == "frame_index" and attr == "index" and total:
                report(value / total)

        def callback(self, **_: Any) -> None:
            """Print nothing."""

    return Logger()


@dataclass(frozen=True)
class ReelConfig(SelectionConfig):
    """Join segments into one film, with crossfades and titles."""

    output: Path = Path("reel.mp4")
    """the film to write: .mp4, .m4v, .mov, .mkv or .webm"""
    crossfade: float = 0.5
    """seconds that neighbours overlap; 0: hard cuts"""
    titles: bool = False
    """show each segment's file and label for 3 s"""
    overwrite: bool = False
    """replace a file that exists"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.crossfade <= 10:
            raise ValueError(f"a crossfade is 0 to 10 s, got {self.crossfade}")


def main(argv: Sequence[str] | None = None) -> int:
    """Write the reel that a command line asks for; return 1 if a file had to be left out."""
    settings = config.parse(ReelConfig, argv, prog=_PROG, positional="files")
    return config.run(lambda: _run(settings), _PROG)


def _run(settings: ReelConfig) -> int:
    import rich.progress
    from rich.console import Console
    from rich.markup import escape

    shots, failed = [], False
    for choice in select_segments(settings):
        try:
            if choice.error is not None:
                raise ClippingError(choice.error)
            for segment in choice.segments:
                title = _name(choice.name, segment) if settings.titles else ""
                shot = Shot(choice.path, segment, title)
                _checked(shot, settings.crossfade)
                shots.append(shot)
        except ClippingError as error:
            print(f"{_PROG}: {error}", file=sys.stderr)
            failed = True
    console = Console(stderr=True)
    with rich.progress.Progress(
        console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(escape(settings.output.name), total=1.0)
        written = reel(
            shots,
            settings.output,
            crossfade=settings.crossfade,
            overwrite=settings.overwrite,
            progress=lambda fraction: bar.update(task, completed=fraction),
        )
    info = probe(written)
    print(f"{written}: {len(shots)} segments, {format_time(info.duration)}")
    return int(failed)


def _name(name: str, segment: Segment) -> str:
    return f"{name} · {segment.label or format_time(segment.start)}"


if __name__ == "__main__":
    sys.exit(main())
