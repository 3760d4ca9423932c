"""Read the contents of a cut file by other means than the cutter's."""

import subprocess

import av
import imageio_ffmpeg
import numpy as np
from making.media import read_barcode, read_clicks

from clipping.media import nal
from clipping.media.container import origin
from clipping.media.sound import read_audio

AUDIO_RATE = 48000
TEN_BIT = {"video_codec": "libx265", "pixel_format": "yuv420p10le"}
VP9 = {"video_codec": "libvpx-vp9", "audio_codec": "libopus", "audio_rate": AUDIO_RATE}
KINDS = {
    "h264.mp4": {},
    "h264.mkv": {},
    "h264.ts": {},
    "open_h264.mp4": {"open_gop": True},
    "hevc.mkv": TEN_BIT,
    "open_hevc.mp4": {**TEN_BIT, "open_gop": True},
    "vp9.webm": VP9,
    "late.mkv": {"start": 5.0},
    "late.mp4": {"start": 5.0},
    "odd.mkv": {"size": (161, 91), "pixel_format": "yuv444p"},
    "upright.mp4": {"rotation": 90},
    "variable.mkv": {"variable": True},
    "variable.mp4": {"variable": True},
}


def pictures(path):
    """The number of every picture and the media time it is shown at."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [
            (
                read_barcode(np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)),
                float(frame.pts * stream.time_base - origin(container)),
            )
            for frame in container.decode(stream)
        ]


def numbers(path):
    return [number for number, _ in pictures(path)]


def fall(times, wanted):
    """Return the time of a cut: the next picture, or the wanted time if that is 0.1 s away."""
    following = min((time for time in times.values() if time >= wanted - 5e-4), default=wanted)
    return following if following - wanted <= 0.1 else wanted


def complaints(path):
    """Return the errors of FFmpeg's own program when it decodes the whole file."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", path, "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def lags(path, rate=24):
    """Seconds by which each click comes after the picture that it belongs to."""
    shown = dict(pictures(path))
    clicks = read_clicks(read_audio(path, rate=AUDIO_RATE), AUDIO_RATE)
    return [
        click.at - shown[click.second * rate] for click in clicks if click.second * rate in shown
    ]


def packets(path, kind):
    """The payloads of a stream as a set: NAL units of slices for H.264 and HEVC."""
    with av.open(str(path)) as container:
        [stream] = [stream for stream in container.streams if stream.type == kind]
        codec, extradata = stream.codec_context.name, stream.codec_context.extradata or b""
        found = [bytes(packet) for packet in container.demux(stream) if packet.size]
    if codec not in nal.SPLICEABLE:
        return set(found)
    size = nal.length_size(codec, extradata)
    slices = range(1, 6) if codec == "h264" else range(32)
    units = (unit for data in found for unit in nal.split_units(data, size))
    # The first byte of a unit tells its kind, which a splice may change.
    return {unit[1:] for unit in units if nal.unit_type(codec, unit) in slices}
