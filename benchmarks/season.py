"""How well the openings and endings of whole seasons are found, and what it costs.

    python benchmarks/season.py --folder /work/seasons [--scale full --seasons 12 --seed 1]
    python benchmarks/season.py --curve

Makes seasons of 24-minute episodes (tests/making/season_scenarios.py: each is one difficulty),
keeps them in the folder, and goes on where it was interrupted. Songs and voices are synthesized, or
cut from recordings with ``--music DIR --speech DIR``, as in packages of games (wesnoth-1.16-music)
and of telephone prompts (asterisk-core-sounds-en-wav and its siblings; unpacked, not installed).
Eight releases differ in codecs, loudness, noise and treble. Then runs ``avtnet.locate`` on each
season's folder, with nothing kept from earlier runs, and prints by role what
benchmarks/season_scores.py counts; and the same of chromaprint matched as intro-skipper does
(benchmarks/season_peer.py; its windows make sense for whole episodes only). ``--cost`` tells what
decoding costs, what listening beyond it, and a pair. ``--only NAMES`` takes some scenarios,
``--make`` only makes them, ``--made`` takes what is there, ``--json`` keeps everything. ``--curve``
says what 12 to 500 files in one folder cost (benchmarks/season_curve.py).
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]  # before this folder, which has a preprocess.py

from making.season import SCENARIOS, make_season
from making.season_material import SYNTHESIZED, Recorded
from season_curve import SIZES, curve
from season_peer import peer
from season_scores import Episode, figures, print_figures
from shared import Episode as Sound
from shared import cost

from avtnet.season.repetition import SOUND
from clipping.files import write_text
from clipping.media.probe import probe
from clipping.repeats.file_fingerprint import make_fingerprint
from clipping.repeats.shared import compare
from clipping.segments import Segment, Timeline


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/avtnet-seasons"))
    parser.add_argument("--scale", choices=("test", "full"), default="full")
    parser.add_argument("--seasons", type=int, default=12, help="the first so many scenarios")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, help="these scenarios instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--music", type=Path, help="folder of music to cut songs from")
    parser.add_argument("--speech", type=Path, help="folder with a folder of recordings a speaker")
    parser.add_argument("--workers", type=int, help="this and the next three: of avtnet.locate")
    parser.add_argument("--network", choices=("auto", "always", "never"), default="auto")
    parser.add_argument("--pictures", choices=("auto", "always", "never"), default="auto")
    parser.add_argument("--min-confidence", type=float, default=0.5)
    parser.add_argument("--makers", type=int, default=2, help="processes that make seasons")
    parser.add_argument("--make", action="store_true", help="make the seasons, and stop")
    parser.add_argument("--made", action="store_true", help="take only seasons that are there")
    parser.add_argument("--no-chromaprint", action="store_true")
    parser.add_argument("--cost", action="store_true", help="of the first season: what costs what")
    parser.add_argument("--json", type=Path, help="everything that was found")
    parser.add_argument(
        "--curve", nargs="*", type=int, metavar="FILES", help="cost of so many files instead"
    )
    parser.add_argument("--picture", type=Path, help="of that curve")
    options = parser.parse_args(argv)
    if options.curve is not None:
        curve(options.folder / "curve", options.curve or SIZES, options.picture)
        return 0
    names = options.only or list(SCENARIOS)[: options.seasons]
    if not options.made:
        recorded = (options.music, options.speech) if options.music and options.speech else None
        jobs = [(options.folder, name, options.scale, options.seed, recorded) for name in names]
        with multiprocessing.get_context("spawn").Pool(options.makers) as pool:
            pool.starmap(make, jobs, chunksize=1)
    if options.make:
        return 0
    names = [name for name in names if told(options.folder, name).exists()]
    if options.cost:
        some = read(options.folder, names[0])
        sounds = [Sound(options.folder / names[0] / each.file, each.duration, {}) for each in some]
        cost(sounds)
        pair_cost([each.path for each in sounds])
    measure(options, names)
    return 0


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings for avtnet.locate."""
    names = ("workers", "network", "pictures", "min_confidence")
    return {name: getattr(options, name) for name in names}


def told(folder: Path, name: str) -> Path:
    """The file with the truth of a season; it is written when the season is whole."""
    return folder / f"{name}.json"


def make(
    folder: Path, name: str, scale: str, seed: int, recorded: tuple[Path, Path] | None
) -> None:
    """One season and its truth, unless they are there."""
    truth_path = told(folder, name)
    plans = SCENARIOS[name](seed, scale)
    if truth_path.exists():
        return
    began = time.process_time()
    material = SYNTHESIZED if recorded is None else Recorded(*recorded, plans)
    truth = make_season(folder / name, plans, material)
    spent = time.process_time() - began
    rows = {
        plan.file: {
            "duration": plan.duration,
            "damage": plan.damage,
            "truth": [[each.start, each.end, each.label] for each in truth[plan.file]],
        }
        for plan in plans
    }
    whole = {"scenario": name, "seed": seed, "scale": scale, "recorded": recorded is not None}
    whole["episodes"] = rows
    write_text(truth_path, json.dumps(whole, indent=1) + "\n")
    print(f"{name}: {len(plans)} files, {spent / len(plans):.1f} CPU s each", flush=True)


def read(folder: Path, name: str) -> list[Episode]:
    """The episodes of a season, without what anybody found."""
    told_here = json.loads(told(folder, name).read_text(encoding="utf-8"))
    return [
        Episode(
            name,
            file,
            row["duration"],
            tuple(Segment(start, end, label) for start, end, label in row["truth"]),
        )
        for file, row in told_here["episodes"].items()
    ]


def measure(options: argparse.Namespace, names: Sequence[str]) -> None:
    results: dict[str, list[Episode]] = {"avtnet": []}
    if not options.no_chromaprint:
        results["chromaprint"] = []
    costs = dict.fromkeys(results, 0.0)
    for name in names:
        episodes = read(options.folder, name)
        for who, found in results.items():
            began = cpu_seconds()
            if who == "avtnet":
                answered = located(options.folder / name, episodes, settings(options))
            else:
                answered = peer(options.folder / name, episodes)
            spent = cpu_seconds() - began
            found += answered
            costs[who] += spent
            print(f"{name}: {who}, {spent / len(episodes):.1f} CPU s an episode", flush=True)
    whole = {}
    for who, found in results.items():
        whole[who] = {"cpu_seconds_an_episode": costs[who] / len(found), **figures(found)}
        print(f"\n{who}: {costs[who] / len(found):.2f} CPU s an episode, decoding included")
        print_figures(whole[who], mistakes_too=who == "avtnet")
    if options.json:
        write_text(options.json, json.dumps(whole, indent=1) + "\n")


def located(folder: Path, episodes: Sequence[Episode], how: dict[str, Any]) -> list[Episode]:
    timelines = locate(folder, how)
    answers = {Path(timeline.source).name: timeline for timeline in timelines}
    stems = {Path(source).stem: timeline for source, timeline in answers.items()}
    done = []
    for episode in episodes:
        timeline = answers.get(episode.file) or stems.get(Path(episode.file).stem)
        segments = timeline.segments if timeline is not None else ()
        error = "no timeline" if timeline is None else timeline.error
        done.append(replace(episode, found=segments, error=error))
    return done


def locate(folder: Path, how: dict[str, Any]) -> list[Timeline]:
    """As for somebody who never ran it: nothing is kept from an earlier run."""
    from avtnet.localization import locate_all  # torch: not where seasons are made
    from avtnet.search.request import LocateConfig

    with tempfile.TemporaryDirectory() as kept:
        cache, themes = Path(kept, "cache"), Path(kept, "themes")
        return locate_all(LocateConfig(inputs=(str(folder),), cache=cache, themes=themes, **how))


def pair_cost(paths: Sequence[Path]) -> None:
    """Return the cost of a pair in this season, all stretches placed to the sample."""
    heard = [make_fingerprint(path, SOUND) for path in paths if probe(path).audio]
    pairs = list(itertools.combinations(heard, 2))
    for what in ("the sound about all ends read", "that sound at hand"):
        began = time.process_time()
        found = sum(len(compare(a, b, SOUND)) for a, b in pairs)
        each = (time.process_time() - began) / len(pairs) * 1000
        print(f"comparing, {what}: {each:.1f} ms a pair, {found / len(pairs):.1f} stretches each")


def cpu_seconds() -> float:
    """Of this process and the children that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    raise SystemExit(main())
