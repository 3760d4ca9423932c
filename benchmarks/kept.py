"""The cost of cache and themes, and how well themes are found in other releases.

    python benchmarks/kept.py [--episodes 6 --seconds 1440 --seed 1]

The episodes of benchmarks/shared.py, each in its own codec, loudness, equalization and noise. The
opening, the ending and the jingle of the first one become themes; the others are searched for them,
one at a time, with ten songs that are in none. Prints CPU seconds, what was found (right: both ends
within 2 s) and the errors of the ends.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import soxr
from shared import RATE, Episode, make, song

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # preprocess is the package

from clipping.kept.cache import Cache
from clipping.kept.theme_file import Theme, load_theme, make_theme, save_theme
from clipping.kept.themes import find_themes
from clipping.repeats.file_fingerprint import SharedSettings
from clipping.repeats.refine import RATE as THEME_RATE
from clipping.repeats.shared import compare

SETTINGS = SharedSettings(by="sound")
STRANGERS = 10
Result = TypeVar("Result")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=1440.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep the episodes here, and take them again")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        episodes = make(folder, options.episodes, options.seconds, options.seed)
        kept = Path(temporary) / "cache"
        cost(episodes, kept)
        themes = learnt(episodes[0], Path(temporary) / "themes")
        score(episodes, themes, Cache(kept), options.seed)
    return 0


def timed(what: str, work: Callable[[], Result], count: int = 1) -> Result:
    """The result of some work; prints the CPU milliseconds of one of ``count`` pieces of it."""
    began = time.process_time()
    result = work()
    print(f"{what}: {1000 * (time.process_time() - began) / count:.1f} CPU ms")
    return result


def cost(episodes: Sequence[Episode], folder: Path) -> None:
    paths = [episode.path for episode in episodes]
    first = Cache(folder, fresh=True)
    made = timed(
        "fingerprints made, decoding included, a file",
        lambda: [first.fingerprint(path, SETTINGS) for path in paths],
        len(paths),
    )
    again = Cache(folder)
    timed(
        "fingerprints loaded, who the file is included, a file",
        lambda: [again.fingerprint(path, SETTINGS) for path in paths],
        len(paths),
    )
    pairs = [(one, other) for one in made for other in made if one.path < other.path]
    found = timed(
        "two files compared, their tables and the sound about the ends included, a pair",
        lambda: [compare(*pair, SETTINGS) for pair in pairs],
        len(pairs),
    )
    for (one, other), each in zip(pairs, found, strict=True):
        again.keep_pair(one.path, other.path, SETTINGS, each)
    timed(
        "a pair that is known",
        lambda: [again.pair(one.path, other.path, SETTINGS) for one, other in pairs],
        len(pairs),
    )
    sizes = [file.stat().st_size for file in (folder / "prints").iterdir()]
    print(f"fingerprints kept: {np.mean(sizes) / 1000:.0f} kB a file")


def learnt(episode: Episode, folder: Path) -> list[Theme]:
    """The themes of an episode, through their files."""
    themes = []
    for role, (start, end) in episode.truth.items():
        path = save_theme(make_theme(episode.path, start, end, name=role, role=role), folder)
        print(f"theme {role}: {path.stat().st_size / 1000:.0f} kB for {end - start:.1f} s")
        themes.append(timed(f"theme {role} loaded", lambda path=path: load_theme(path)))
    return themes


def strangers(seed: int) -> list[Theme]:
    """Songs that no episode has."""
    made = []
    for number in range(STRANGERS):
        sound = soxr.resample(song(90, 1000 * seed + 500 + number), RATE, THEME_RATE)
        samples = np.rint(np.clip(sound, -1, 1) * 32767).astype(np.int16)
        made.append(
            Theme(f"stranger {number}", "opening", len(samples) / THEME_RATE, samples, None, {})
        )
    return made


def score(episodes: Sequence[Episode], themes: Sequence[Theme], cache: Cache, seed: int) -> None:
    others = strangers(seed)
    timed(
        "a theme made ready",
        lambda: [other.fingerprint.sound.tables for other in others],
        STRANGERS,
    )
    right = wrong = 0
    starts, ends = [], []
    for episode in episodes[1:]:
        fingerprint = cache.fingerprint(episode.path, SETTINGS)
        _ = fingerprint.sound.tables
        timed(
            "a stranger in a file",
            lambda fingerprint=fingerprint: find_themes(fingerprint, others, SETTINGS),
            STRANGERS,
        )
        found = timed(
            "a theme found in a file, the sound about its ends included",
            lambda fingerprint=fingerprint: find_themes(fingerprint, [*themes, *others], SETTINGS),
            len(themes),
        )
        for each in found:
            start, end = episode.truth.get(each.theme.role, (np.inf, np.inf))
            if each.theme in themes and abs(each.start - start) < 2 and abs(each.end - end) < 2:
                right += 1
                starts.append(abs(each.start - start))
                ends.append(abs(each.end - end))
            else:
                wrong += 1
                print(f"wrong in {episode.path.name}: {each.theme.name} {each.start} {each.end}")
    print(f"right: {right} of {len(themes) * (len(episodes) - 1)}; found and not right: {wrong}")
    for what, errors in (("start", starts), ("end", ends)):
        print(
            f"error of the {what}: mean {1000 * np.mean(errors):.3f} ms, "
            f"95 % {1000 * np.quantile(errors, 0.95):.3f} ms"
        )


if __name__ == "__main__":
    sys.exit(main())
