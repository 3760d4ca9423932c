"""The cost and the accuracy of finding shared stretches, next to chromaprint.

    python benchmarks/shared.py [--episodes 6 --seconds 1440 --seed 1]

Episodes of talk with two songs and a jingle at random places, each in its own codec, sample rate,
loudness, equalization and noise. Prints CPU seconds a file beyond decoding, milliseconds a pair,
and for this library and for chromaprint (the muxer of imageio-ffmpeg's binary, matched with the
constants that intro-skipper publishes, without its snapping to silence and keyframes): recall
(both ends within 2 s), false stretches, and the errors of the ends.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / each) for each in ("", "tests")]

from making.shared import RATE, song, story, write

from clipping.judging.judgement import RIGHT_SECONDS
from clipping.media.container import choose_audio, open_media
from clipping.media.sound import sound_blocks
from clipping.repeats.fingerprint import SOUND_RATE, sound_fingerprint
from clipping.repeats.index import Index
from clipping.repeats.matching import match
from clipping.repeats.shared import SharedSettings, shared

LENGTHS = {"opening": 89.9, "ending": 90.1, "jingle": 12.0}
RELEASES = (
    ("m4a", {"codec": "aac", "rate": 48000}, 1.0, None, 0.0),
    ("ogg", {"codec": "libopus", "rate": 48000}, 0.5, None, 3.0),
    ("mp3", {"codec": "libmp3lame", "rate": 44100}, 0.9, 30.0, -3.0),
    ("flac", {"codec": "flac", "rate": 48000}, 0.25, None, 0.0),
    ("mp3", {"codec": "libmp3lame", "rate": 32000, "layout": "mono"}, 0.7, 20.0, 0.0),
    ("m4a", {"codec": "aac", "rate": 44100}, 0.4, 15.0, 2.0),
)
"""suffix, encoder, loudness, signal to noise in dB, tilt of the spectrum in dB over 0.1-6 kHz."""

# intro-skipper: seconds a point, wrong bits, seconds of gap, shortest, longest; windows.
POINT, WRONG_BITS, GAP, SHORTEST, LONGEST = 0.1238, 6, 3.5, 15.0, 120.0
INTRO_SHARE, INTRO_SECONDS, CREDITS_SECONDS = 0.25, 600.0, 450.0

Span = tuple[float, float]


@dataclass
class Episode:
    path: Path
    seconds: float
    truth: dict[str, Span]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=1440.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-chromaprint", action="store_true")
    parser.add_argument("--folder", type=Path, help="keep the episodes here, and take them again")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        episodes = make(folder, options.episodes, options.seconds, options.seed)
        cost(episodes)
        score("clipping shared", episodes, ours(episodes))
        if not options.no_chromaprint:
            score("chromaprint", episodes, chromaprint(episodes))
    return 0


def make(folder: Path, count: int, seconds: float, seed: int) -> list[Episode]:
    rng = np.random.default_rng(seed)
    themes = {kind: song(LENGTHS[kind], seed, kind) for kind in LENGTHS}
    episodes = []
    for number in range(count):
        suffix, how, loudness, noise, tilt = RELEASES[number % len(RELEASES)]
        begins = {
            "opening": rng.uniform(0, 0.2 * seconds) if number else 0.0,
            "jingle": rng.uniform(0.4, 0.6) * seconds,
            "ending": seconds - LENGTHS["ending"] - (rng.uniform(0, 60) if number else 0.0),
        }
        if number == 1:
            begins["opening"] = 0.3 * seconds  # after a long cold open
        truth = {}
        for kind, begin in begins.items():
            first = round(begin * RATE)
            last = min(first + len(themes[kind]), round(seconds * RATE))
            truth[kind] = (first / RATE, last / RATE)
        path = folder / f"{number + 1:02d}.{suffix}"
        episodes.append(Episode(path, seconds, truth))
        own = np.random.default_rng([seed, number])
        if path.exists():
            continue
        sound = told(seconds, own)
        for kind, (begin, end) in truth.items():
            part = sound[round(begin * RATE) : round(end * RATE)]
            part[:] = themes[kind][: len(part)]
        sound = loudness * tilted(sound, tilt)
        if noise is not None:
            power = float(np.square(sound).mean())
            level = np.sqrt(power / 10 ** (noise / 10))
            sound = sound + level * own.normal(size=len(sound))
        write(path, sound.astype(np.float32), **how)
    return episodes


def told(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Some minutes of story at once: more would fill the memory."""
    parts = [
        story(min(seconds, 240.0), int(rng.integers(2**31))) for _ in range(0, int(seconds), 240)
    ]
    return np.concatenate(parts)[: round(seconds * RATE)]


def tilted(sound: np.ndarray, decibels: float) -> np.ndarray:
    """Treble against bass by so much, as a mastering engineer does."""
    if not decibels:
        return sound
    size = 1 << int(np.ceil(np.log2(len(sound))))
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    share = np.clip(np.log(np.maximum(hertz, 1) / 100) / np.log(60), 0, 1)
    return np.fft.irfft(np.fft.rfft(sound, size) * 10 ** (decibels * share / 20), size)[
        : len(sound)
    ].astype(np.float32)


def cost(episodes: Sequence[Episode]) -> None:
    indices = []
    for episode in episodes:
        spent = {}
        for rate in (None, SOUND_RATE):
            began = time.process_time()
            with open_media(episode.path) as container:
                stream = choose_audio(episode.path, container, None)
                for _ in sound_blocks(
                    episode.path,
                    container,
                    stream,
                    rate=rate or stream.rate,
                    start=0.0,
                    duration=None,
                ):
                    pass
            spent[rate] = time.process_time() - began
        began = time.process_time()
        fingerprint = sound_fingerprint(episode.path)
        whole = time.process_time() - began
        began = time.process_time()
        index = Index(fingerprint)
        _ = index.tables
        sorting = time.process_time() - began
        indices.append(index)
        print(
            f"{episode.path.name}: decoding {spent[None]:.2f}, with resampling "
            f"{spent[SOUND_RATE]:.2f}, fingerprint {whole:.2f} CPU s "
            f"({whole - spent[None]:.2f} beyond decoding), sorting {sorting * 1000:.0f} ms, "
            f"{fingerprint.words.nbytes / 1000:.0f} kB"
        )
    pairs = list(itertools.combinations(indices, 2))
    began = time.process_time()
    for a, b in pairs:
        match(a, b, shortest=9.0)
    print(f"matching: {(time.process_time() - began) / len(pairs) * 1000:.1f} ms a pair")


def ours(episodes: Sequence[Episode]) -> dict[tuple[int, int], list[tuple[Span, Span]]]:
    places = {episode.path: number for number, episode in enumerate(episodes)}
    began = time.process_time()
    report = shared([episode.path for episode in episodes], SharedSettings(by="sound"))
    print(f"clipping shared: {time.process_time() - began:.1f} CPU s in all")
    found = defaultdict(list)
    for each in report.found:
        a, b = each.a.segment, each.b.segment
        spans = (a.start, a.end), (b.start, b.end)
        found[places[each.a.file], places[each.b.file]].append(spans)
    return found


def points(path: Path, begin: float, end: float) -> np.ndarray:
    """Chromaprint's words of a stretch of a file, one every ``POINT`` seconds."""
    import imageio_ffmpeg

    binary = imageio_ffmpeg.get_ffmpeg_exe()
    words = [binary, "-v", "error", "-ss", f"{begin}", "-to", f"{end}", "-i", str(path)]
    words += ["-ac", "2", "-f", "chromaprint", "-fp_format", "raw", "-"]
    done = subprocess.run(words, capture_output=True, check=True)
    return np.frombuffer(done.stdout, "<u4")


def chromaprint(episodes: Sequence[Episode]) -> dict[tuple[int, int], list[tuple[Span, Span]]]:
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    windows = []
    for episode in episodes:
        intro = min(INTRO_SHARE * episode.seconds, INTRO_SECONDS)
        credits = max(0.0, episode.seconds - CREDITS_SECONDS)
        windows.append(
            [
                (begin, points(episode.path, begin, end))
                for begin, end in ((0.0, intro), (credits, episode.seconds))
            ]
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    print(f"chromaprint: {after - before:.1f} CPU s for the fingerprints of both windows")
    found = defaultdict(list)
    began = time.process_time()
    for i, j in itertools.combinations(range(len(episodes)), 2):
        for (begin_a, a), (begin_b, b) in zip(windows[i], windows[j], strict=True):
            spans = compared(a, b)
            if spans is not None:
                (s, e), (t, f) = spans
                spans = (s + begin_a, e + begin_a), (t + begin_b, f + begin_b)
                found[i, j].append(spans)
    pairs = len(episodes) * (len(episodes) - 1) / 2
    print(f"chromaprint: {(time.process_time() - began) / pairs * 1000:.1f} ms a pair (in Python)")
    return found


def compared(a: np.ndarray, b: np.ndarray, longest: float = LONGEST) -> tuple[Span, Span] | None:
    """The longest stretch of two windows, as the peer finds it."""
    index = {int(value): place for place, value in enumerate(b)}
    shifts = {
        index[value + near] - place
        for place, value in enumerate(map(int, a))
        for near in range(-2, 3)
        if value + near in index
    }
    best: tuple[Span, Span] | None = None
    for shift in shifts:
        first = max(0, -shift)
        last = min(len(a), len(b) - shift)
        differ = np.unpackbits(
            (a[first:last] ^ b[first + shift : last + shift]).view(np.uint8)
        ).reshape(-1, 32)
        good = np.flatnonzero(differ.sum(axis=1) <= WRONG_BITS) + first
        for run in np.split(good, np.flatnonzero(np.diff(good) * POINT > GAP) + 1):
            if not len(run):
                continue
            start, end = run[0] * POINT, run[-1] * POINT
            length = end - start
            if SHORTEST <= length <= longest and (best is None or length > best[0][1] - best[0][0]):
                best = (start, end), (start + shift * POINT, end + shift * POINT)
    if best is None:
        return None
    (start_a, end_a), (start_b, end_b) = best
    return (0.0 if start_a <= 5 else start_a, end_a), (0.0 if start_b <= 5 else start_b, end_b)


def score(
    name: str,
    episodes: Sequence[Episode],
    found: dict[tuple[int, int], list[tuple[Span, Span]]],
) -> None:
    errors = defaultdict(list)
    right, wanted, false, seen = defaultdict(int), defaultdict(int), 0, 0
    for i, j in itertools.combinations(range(len(episodes)), 2):
        left = list(found[i, j])
        seen += len(left)
        for kind in LENGTHS:
            a, b = episodes[i].truth[kind], episodes[j].truth[kind]
            wanted[kind] += 1
            for spans in left:
                off = [s - t for span, true in zip(spans, (a, b), strict=True)
                       for s, t in zip(span, true, strict=True)]  # fmt: skip
                if max(map(abs, off)) <= RIGHT_SECONDS:
                    right[kind] += 1
                    errors["start"] += [abs(off[0]), abs(off[2])]
                    errors["end"] += [abs(off[1]), abs(off[3])]
                    errors["offset"].append(abs((off[2] + off[3] - off[0] - off[1]) / 2))
                    left.remove(spans)
                    break
        false += len(left)
    print(f"{name}: {seen} stretches, {false} of them not right within 2 s")
    for kind in LENGTHS:
        print(f"  {kind}: {right[kind]} of {wanted[kind]} found")
    for what, values in errors.items():
        print(
            f"  error of the {what}: mean {np.mean(values):.4f}, "
            f"95 % below {np.percentile(values, 95):.4f}, most {np.max(values):.4f} s"
        )


if __name__ == "__main__":
    raise SystemExit(main())
