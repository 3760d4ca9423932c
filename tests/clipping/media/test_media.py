"""probe describes what is there, and says plainly what is wrong with what is not media."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from making.media import make_media, read_barcode, truncate

from clipping.__main__ import GROUPS
from clipping.__main__ import main as clipping_main
from clipping.errors import MediaError
from clipping.media.frames import frames_at
from clipping.media.probe import probe
from clipping.media.probing import main
from clipping.media.sound import read_audio

TINY = {"size": (160, 96), "duration": 1.0}
ODD_NAME = 'it\'s "1" $HOME; ünï 日本 % [red] .mkv'


class TestProbe:
    """The description of the streams."""

    def test_a_plain_episode(self, tmp_path: Path) -> None:
        path = make_media(tmp_path / "a.mp4", duration=3.0, languages=("jpn", "eng"))
        info = probe(path)
        assert info.path == path
        assert "mp4" in info.container
        assert info.duration == pytest.approx(3.0, abs=0.03)
        assert info.start_time == 0
        assert info.size_bytes == path.stat().st_size
        assert info.bit_rate == pytest.approx(info.size_bytes * 8 / 3.0, rel=0.02)
        assert not info.truncated
        assert [(s.kind, s.codec, s.language) for s in info.streams] == [
            ("video", "h264", None),
            ("audio", "aac", "jpn"),
            ("audio", "aac", "eng"),
        ]
        video = info.video
        assert video is not None
        assert (video.width, video.height, video.rotation) == (320, 180, 0)
        assert video.frame_rate == 24
        assert video.pixel_format == "yuv420p"
        assert video.duration == pytest.approx(3.0)
        assert [(s.sample_rate, s.channels) for s in info.audio] == [(44100, 2)] * 2
        assert info.audio[0].default

    @pytest.mark.parametrize("rotation", [90, 180, 270])
    def test_a_phone_video_is_upright(self, tmp_path: Path, rotation: int) -> None:
        size = (160, 96) if rotation == 180 else (96, 160)
        path = make_media(tmp_path / "r.mp4", size=size, duration=0.5, rotation=rotation)
        video = probe(path).video
        assert video is not None
        assert (video.width, video.height) == (160, 96)
        assert video.rotation == rotation
        assert video.display_size == size

    @pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
    def test_times_count_from_the_first_instant(self, tmp_path: Path, suffix: str) -> None:
        info = probe(make_media(tmp_path / f"late.{suffix}", start=5.0, **TINY))
        assert info.start_time == pytest.approx(5.0, abs=0.03)
        assert info.duration == pytest.approx(1.0, abs=0.05)
        assert not info.truncated
        for stream in info.streams:
            assert stream.start == pytest.approx(0, abs=0.03)
            assert stream.duration == pytest.approx(1.0, abs=0.05)

    def test_late_sound_starts_late(self, tmp_path: Path) -> None:
        info = probe(make_media(tmp_path / "a.mkv", audio_start=0.7, **TINY))
        assert info.audio[0].start == pytest.approx(0.7, abs=0.03)
        assert info.duration == pytest.approx(1.7, abs=0.05)

    def test_surround_and_ten_bits(self, tmp_path: Path) -> None:
        options = {"video_codec": "libx265", "pixel_format": "yuv420p10le", "layout": "5.1"}
        info = probe(make_media(tmp_path / "a.mkv", **options, **TINY))
        assert info.video is not None
        assert (info.video.codec, info.video.pixel_format) == ("hevc", "yuv420p10le")
        assert info.audio[0].channels == 6

    def test_decoders_do_not_rename_codecs(self, tmp_path: Path) -> None:
        video = probe(make_media(tmp_path / "a.mp4", video_codec="libsvtav1", **TINY)).video
        assert video is not None
        assert video.codec == "av1"

    def test_fractional_rates_are_exact(self, tmp_path: Path) -> None:
        rate = Fraction(24000, 1001)
        video = probe(make_media(tmp_path / "a.mp4", rate=rate, **TINY)).video
        assert video is not None
        assert video.frame_rate == rate

    def test_sound_alone(self, tmp_path: Path) -> None:
        path = make_media(
            tmp_path / "a.wav", duration=2.0, video_codec=None, audio_codec="pcm_s16le"
        )
        info = probe(path)
        assert info.video is None
        assert len(info.audio) == 1
        assert info.duration == pytest.approx(2.0)

    def test_cover_art_is_no_video(self, tmp_path: Path) -> None:
        path = tmp_path / "song.mp3"
        with av.open(str(path), "w") as container:
            sound = container.add_stream("libmp3lame", rate=44100, layout="mono")
            cover = container.add_stream("png")
            cover.width, cover.height, cover.pix_fmt = 64, 64, "rgb24"
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
            container.mux(cover.encode(picture))
            samples = np.zeros((1, 44100), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
            frame.rate = 44100
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
        info = probe(path)
        assert info.video is None
        assert [stream.kind for stream in info.streams] == ["audio", "attachment"]
        with pytest.raises(MediaError, match="has no video"):
            list(frames_at(path, [0.0]))

    def test_chapters(self, tmp_path: Path) -> None:
        path = make_media(tmp_path / "plain.mkv", start=5.0, **TINY)
        chaptered = tmp_path / "chapters.mkv"
        with av.open(str(path)) as source, av.open(str(chaptered), "w") as target:
            streams = [target.add_stream_from_template(s) for s in source.streams]
            tick = Fraction(1, 1000)
            spans = [(5000, 5400, "Opening"), (5400, 6000, "日本")]
            target.set_chapters(
                [
                    {"id": i, "start": a, "end": b, "time_base": tick, "metadata": {"title": t}}
                    for i, (a, b, t) in enumerate(spans)
                ]
            )
            for packet in source.demux():
                if packet.size:
                    packet.stream = streams[packet.stream.index]
                    target.mux(packet)
        chapters = probe(chaptered).chapters
        assert [(c.label, c.start, c.end) for c in chapters] == [
            ("Opening", pytest.approx(0.0), pytest.approx(0.4)),
            ("日本", pytest.approx(0.4), pytest.approx(1.0)),
        ]


class TestLength:
    """The header is checked against what is there."""

    @pytest.mark.parametrize("suffix", ["mp4", "mkv"])
    def test_a_truncated_file_has_its_real_length(self, tmp_path: Path, suffix: str) -> None:
        path = truncate(make_media(tmp_path / f"a.{suffix}", duration=8.0))
        info = probe(path)
        assert info.truncated
        assert info.duration == pytest.approx(8 * 0.6, abs=0.5)
        before, after = frames_at(path, [info.duration - 0.5, info.duration + 0.1])
        assert before is not None
        assert after is None

    def test_a_file_cut_in_its_long_tail(self, tmp_path: Path) -> None:
        path = make_media(tmp_path / "a.mp4", duration=30.0, rate=5, size=(160, 96))
        info = probe(truncate(path, 0.3))
        assert info.truncated
        assert info.duration == pytest.approx(9.0, abs=1.5)

    @pytest.mark.parametrize("suffix", ["ts", "wav"])
    def test_formats_that_promise_nothing_are_measured(self, tmp_path: Path, suffix: str) -> None:
        sound = {"video_codec": None, "audio_codec": "pcm_s16le"} if suffix == "wav" else {}
        path = truncate(make_media(tmp_path / f"a.{suffix}", duration=8.0, **sound))
        info = probe(path)
        assert not info.truncated
        assert info.duration == pytest.approx(8 * 0.6, abs=0.5)

    def test_a_header_without_duration(self, tmp_path: Path) -> None:
        path = tmp_path / "live.mkv"
        make_media(path, duration=3.0, size=(160, 96), container_options={"live": "1"})
        info = probe(path)
        assert info.duration == pytest.approx(3.0, abs=0.05)
        assert not info.truncated

    def test_an_inflated_header(self, tmp_path: Path) -> None:
        path = make_media(tmp_path / "a.mkv", duration=2.0, size=(160, 96))
        data = bytearray(path.read_bytes())
        place = data.index(b"\x44\x89\x88") + 3  # EBML: Duration, 8 bytes, in milliseconds
        data[place : place + 8] = np.array(7_200_000, ">f8").tobytes()
        path.write_bytes(data)
        info = probe(path)
        assert info.truncated
        assert info.duration == pytest.approx(2.0, abs=0.05)


def test_names_are_only_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (ODD_NAME, "concat:a|b.mkv", "%03d.mkv", "-v.mkv", "http:x.mkv"):
        make_media(tmp_path / "plain.mkv", **TINY).rename(name)
        assert probe(name).duration == pytest.approx(1.0, abs=0.05)
        (frame,) = frames_at(name, [0.5])
        assert frame is not None
        assert read_barcode(frame.rgb()) == 12
        assert len(read_audio(name, end=0.5)) == 11025


BAD_FILES = {
    "empty.mp4": (b"", r"is empty \(0 bytes\)"),
    "notes.txt": (b"We meet at noon.\n" * 50, "is no media file"),
    "text.mp4": (b"We meet at noon.\n" * 50, "is no media file"),
    "zeros.mkv": (bytes(5000), "is no media file"),
    "subtitles.srt": (b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n" * 5, "is no media file"),
    "playlist.m3u8": (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "is no media file"),
    "list.ffconcat": (b"ffconcat version 1.0\nfile good.mp4\n", "is no media file"),
    "picture.bmp": (b"BM" + bytes(200), "is no media file"),
    "cut.mp4": (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "is no media file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize(
    "read", [probe, read_audio, lambda path: list(frames_at(path, [0.0]))], ids=["p", "a", "f"]
)
def test_what_is_no_media(tmp_path: Path, name: str, read: object) -> None:
    data, message = BAD_FILES[name]
    make_media(tmp_path / "good.mp4", **TINY)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MediaError, match=rf"{name}: .*({message})"):
        read(tmp_path / name)


def test_sizes_beyond_any_real_media_are_refused(tmp_path: Path) -> None:
    path = make_media(tmp_path / "huge.mkv", video_codec="ffv1", audio_codec=None, duration=0.2)
    width = b"\xb0\x82\x01\x40"  # EBML: PixelWidth, 2 bytes, 320; FFV1 itself holds no size
    path.write_bytes(path.read_bytes().replace(width, b"\xb0\x82\x4e\x20"))
    with pytest.raises(MediaError, match=r"huge\.mkv: frames of 20000x180 are larger than any"):
        probe(path)

    path = make_media(tmp_path / "loud.wav", video_codec=None, audio_codec="pcm_s16le")
    data = bytearray(path.read_bytes())
    data[24:28] = (2_000_000_000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"loud\.wav: sound of 2000000000 Hz .* beyond any real"):
        read_audio(path)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "dangling.mkv").symlink_to(tmp_path / "gone.mkv")
    (tmp_path / "loop.mkv").symlink_to(tmp_path / "loop.mkv")
    os.mkfifo(tmp_path / "pipe.mkv")
    for name, message in {
        "missing.mkv": "there is no such file",
        "dangling.mkv": "is a link to a missing file",
        "loop.mkv": "cannot be read: ",
        "pipe.mkv": "is not a regular file",
        ".": "is a folder, not a media file",
        "n" * 300: "cannot be read: File name too long",
    }.items():
        with pytest.raises(MediaError, match=message):
            probe(tmp_path / name)


class TestCommand:
    """python -m clipping probe"""

    def test_a_batch_goes_on_past_a_bad_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "in").mkdir()
        good = make_media(tmp_path / "in" / ODD_NAME, **TINY)
        (tmp_path / "in" / "bad.mp4").write_bytes(b"no")
        out = tmp_path / "out" / "all.json"
        assert main([str(tmp_path / "in"), str(tmp_path / "gone"), "--json", str(out)]) == 1
        printed = capsys.readouterr()
        assert "bad.mp4: is no media file" in printed.err
        assert "gone: there is no such file or folder" in printed.err
        assert "h264" in printed.out
        rows = json.loads(out.read_text())
        assert [bool(row["error"]) for row in rows] == [True, False, True]
        assert rows[1]["file"] == str(good)
        assert rows[1]["streams"][0]["display_size"] == [160, 96]

    def test_good_files_give_0_and_json_on_stdout(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = make_media(tmp_path / "a.mp4", **TINY)
        assert main([str(path), "--json", "-"]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        assert row["duration"] == pytest.approx(1.0, abs=0.05)

    def test_nothing_to_probe(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([str(tmp_path)]) == 1
        assert "there are no media files in this folder" in capsys.readouterr().err
        assert main([]) == 2
        assert "name at least one file" in capsys.readouterr().err

    def test_the_command_as_a_user_types_it(self, tmp_path: Path) -> None:
        path = make_media(tmp_path / "a.mkv", **TINY)
        words = [sys.executable, "-m", "clipping", "probe", path.name]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "matroska" in done.stdout
        assert done.stderr == ""

    def test_help_lists_every_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert clipping_main(["--help"]) == 0
        printed = capsys.readouterr().out
        assert all(f"  {name} " in printed for group in GROUPS.values() for name in group)
        assert clipping_main(["prob"]) == 2
        assert "there is no command 'prob'" in capsys.readouterr().err
        assert clipping_main([]) == 2
