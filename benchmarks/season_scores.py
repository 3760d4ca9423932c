"""Count right and wrong segments of seasons: pure arithmetic on spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clipping.judging.judgement import RIGHT_SECONDS
from clipping.judging.metrics import evaluate_segments, story_skipped
from clipping.segments import Segment, Timeline

SONGS = ("opening", "ending")
ROLES = (*SONGS, "recap", "preview", "mixed")
SKIPPED = ("opening", "ending", "recap")
"""Roles that a player skips; a preview and a mixed song are kept."""
BINS = 10


@dataclass(frozen=True)
class Episode:
    """One file: what is true of it, and what somebody found."""

    scenario: str
    file: str
    duration: float
    truth: tuple[Segment, ...]
    found: tuple[Segment, ...] = ()
    error: str | None = None


Pair = tuple[Segment, Segment]
"""A found segment and the true one it stands for."""


def pairs(found: Sequence[Segment], truth: Sequence[Segment]) -> list[Pair]:
    """Found and true segments of one label that overlap by more than half of their union.

    Each stands in one pair at most; those that overlap most are paired first.
    """
    candidates = []
    for one in found:
        for other in truth:
            shared = one.overlap(other)
            union = one.duration + other.duration - shared
            if one.label == other.label and shared > union / 2:
                candidates.append((shared / union, one, other))
    candidates.sort(key=lambda each: -each[0])
    taken: set[int] = set()
    chosen = []
    for _, one, other in candidates:
        if not taken & {id(one), id(other)}:
            taken |= {id(one), id(other)}
            chosen.append((one, other))
    return chosen


def is_right(pair: Pair) -> bool:
    """Return whether both ends are at most RIGHT_SECONDS off."""
    one, other = pair
    return max(abs(one.start - other.start), abs(one.end - other.end)) <= RIGHT_SECONDS


def role_figures(episodes: Sequence[Episode], label: str) -> dict[str, float | None]:
    """Counts, precision, recall, and errors of the ends over the pairs of one label.

    ``start_mean`` and the like are of all pairs, right or not; those of nothing are None.
    """
    wanted = found = 0
    matched: list[Pair] = []
    for episode in episodes:
        theirs = [each for each in episode.found if each.label == label]
        true = [each for each in episode.truth if each.label == label]
        wanted, found = wanted + len(true), found + len(theirs)
        matched += pairs(theirs, true)
    right = sum(map(is_right, matched))
    result: dict[str, float | None] = {
        "wanted": wanted,
        "found": found,
        "right": right,
        "precision": right / found if found else None,
        "recall": right / wanted if wanted else None,
    }
    for end in ("start", "end"):
        errors = [abs(getattr(one, end) - getattr(other, end)) for one, other in matched]
        result[f"{end}_mean"] = float(np.mean(errors)) if errors else None
        result[f"{end}_p95"] = float(np.percentile(errors, 95)) if errors else None
    return result


def calibration(episodes: Sequence[Episode]) -> dict[str, Any]:
    """How often segments of a confidence are right, in bins of a tenth, all roles together.

    ``error`` is the expected calibration error: the mean over all segments of how far their bin's
    mean confidence is from its share of right ones. Segments without a confidence are left out.
    """
    said: list[tuple[float, bool]] = []
    for episode in episodes:
        good = {id(one) for one, other in pairs(episode.found, episode.truth)
                if is_right((one, other))}  # fmt: skip
        said += [(each.score, id(each) in good) for each in episode.found if each.score is not None]
    rows = []
    for number in range(BINS):
        inside = [
            (score, good) for score, good in said if min(int(score * BINS), BINS - 1) == number
        ]
        if inside:
            scores, goods = zip(*inside, strict=True)
            rows.append(
                {
                    "from": number / BINS,
                    "to": (number + 1) / BINS,
                    "segments": len(inside),
                    "mean_confidence": float(np.mean(scores)),
                    "right": float(np.mean(goods)),
                }
            )
    off = sum(row["segments"] * abs(row["mean_confidence"] - row["right"]) for row in rows)
    return {"bins": rows, "error": off / len(said) if said else None}


def mistakes(episodes: Sequence[Episode]) -> list[dict[str, Any]]:
    """Every true segment that was not found right, and every found one that is not right."""
    rows = []
    for episode in episodes:
        good = [pair for pair in pairs(episode.found, episode.truth) if is_right(pair)]
        met = {id(each) for pair in good for each in pair}
        for kind, segments in (("missing", episode.truth), ("wrong", episode.found)):
            rows += [
                {
                    "kind": kind,
                    "scenario": episode.scenario,
                    "file": episode.file,
                    "label": each.label,
                    "start": each.start,
                    "end": each.end,
                    "confidence": each.score,
                    "evidence": list(each.evidence),
                    "error": episode.error,
                }
                for each in segments
                if id(each) not in met
            ]
    return rows


def seconds_f1(episodes: Sequence[Episode]) -> float:
    """F1 of the seconds said to be opening or ending, no matter which, over all files."""

    def timelines(which: str) -> list[Timeline]:
        return [
            Timeline(
                f"{each.scenario}/{each.file}",
                each.duration,
                tuple(
                    replace(segment, label="song")
                    for segment in getattr(each, which)
                    if segment.label in SONGS
                ),
            )
            for each in episodes
        ]

    return evaluate_segments(timelines("found"), timelines("truth"), ("song",))["song/f1"]


def skipped_story(episodes: Sequence[Episode]) -> float:
    """Seconds an episode that a viewer who skips openings, endings and recaps loses of the rest."""
    return sum(story_skipped(each.found, each.truth, SKIPPED) for each in episodes) / len(episodes)


def figures(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Everything, as it goes into JSON."""
    scenarios = {}
    for name in dict.fromkeys(each.scenario for each in episodes):
        some = [each for each in episodes if each.scenario == name]
        scenarios[name] = {
            "episodes": len(some),
            **{label: role_figures(some, label) for label in ROLES},
            "seconds_f1": seconds_f1(some),
            "story_skipped": skipped_story(some),
        }
    return {
        "episodes": len(episodes),
        "roles": {label: role_figures(episodes, label) for label in ROLES},
        "seconds_f1": seconds_f1(episodes),
        "story_skipped": skipped_story(episodes),
        "calibration": calibration(episodes),
        "scenarios": scenarios,
        "mistakes": mistakes(episodes),
    }


def print_figures(told: dict[str, Any], *, mistakes_too: bool = True) -> None:
    """The same for people."""

    def number(value: float | None, form: str = ".3f") -> str:
        return "-" if value is None else format(value, form)

    print(f"{told['episodes']} episodes")
    print("role      wanted found right precision recall  start mean / 95 %   end mean / 95 %")
    for label, row in told["roles"].items():
        print(
            f"{label:9s} {row['wanted']:6d} {row['found']:5d} {row['right']:5d} "
            f"{number(row['precision']):>9s} {number(row['recall']):>6s}  "
            f"{number(row['start_mean']):>8s} / {number(row['start_p95']):>7s}  "
            f"{number(row['end_mean']):>7s} / {number(row['end_p95']):>6s}"
        )
    print(
        f"per-second F1 {told['seconds_f1']:.4f}; "
        f"story wrongly skipped {told['story_skipped']:.2f} s an episode"
    )
    error = told["calibration"]["error"]
    if error is not None:
        print(f"confidence: expected calibration error {error:.3f}")
        for row in told["calibration"]["bins"]:
            print(
                f"  {row['from']:.1f}-{row['to']:.1f}: {row['segments']} segments, said "
                f"{row['mean_confidence']:.2f}, right {row['right']:.2f}"
            )
    for name, row in told["scenarios"].items():
        songs = ", ".join(
            f"{label} {row[label]['right']}/{row[label]['found']}/{row[label]['wanted']}"
            for label in ROLES
            if row[label]["wanted"] or row[label]["found"]
        )
        print(
            f"  {name}: {row['episodes']} files, right/found/wanted: {songs or 'nothing'}; "
            f"F1 {row['seconds_f1']:.3f}, story {row['story_skipped']:.1f} s"
        )
    for row in told["mistakes"] if mistakes_too else ():
        score = "" if row["confidence"] is None else f" said at {row['confidence']:.2f}"
        why = f" ({row['error']})" if row["error"] else ""
        print(
            f"  {row['kind']} {row['label']} {row['start']:.2f}-{row['end']:.2f}{score}: "
            f"{row['scenario']}/{row['file']}{why}"
        )
