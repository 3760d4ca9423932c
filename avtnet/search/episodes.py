"""Bring all that was found of an episode to one timeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from avtnet.classic.decode import Boundary
from avtnet.evidence import Candidate, fuse_candidates
from avtnet.search.networks import (
    NetworkInputs,
    Networks,
    load_inputs,
    network_candidates,
    predict_views,
)
from avtnet.search.request import LocateConfig
from avtnet.search.text_support import with_text
from avtnet.season.stages import EpisodeFacts
from clipping.errors import ClippingError
from clipping.segments import Timeline
from preprocess.features import Features

_AGAINST_REPETITION = 0.6
"""Weight of the networks' confidence where the file was compared with other episodes."""


@dataclass(frozen=True)
class Located:
    """One episode with its timeline and all that supports it."""

    name: str
    timeline: Timeline
    facts: EpisodeFacts
    seen: tuple[Features, ...] = ()
    """The windows that the networks got, if any."""
    boundaries: tuple[Boundary, ...] = ()
    """The boundaries that the networks of ``weights`` found in them."""
    season: int = 0
    """The number of its season among those that were searched."""


@dataclass(frozen=True)
class Made:
    """The files of features of an episode."""

    windows: tuple[Path, ...] = ()
    episode: Path | None = None
    """The file of all of its seconds, if it was made or named."""
    failure: str | None = None
    """Why it has none, or lacks some."""


def wants_networks(fact: EpisodeFacts, config: LocateConfig) -> bool:
    """Return whether the networks are to be asked about an episode."""
    if config.network != "auto" or fact.error is not None:
        return config.network == "always" and fact.error is None
    known = {candidate.role for candidate in fact.candidates} | fact.denied
    if {"opening", "ending"} <= known:
        return False
    # Weights that saw made-up episodes only know less than siblings that share nothing.
    return bool(config.weights) or fact.compared < 2


def network_trust(compared: int) -> float:
    """Return the weight of a network's confidence for a file compared with so many others.

    It is 0.6 if there were others: an opening or ending that does not repeat is mostly none.
    """
    return _AGAINST_REPETITION if compared else 1.0


def conclude(
    fact: EpisodeFacts,
    made: Made,
    networks: Networks,
    config: LocateConfig,
    season: int = 0,
) -> Located:
    """Ask the networks about an episode, and bring all sources to one timeline.

    Args:
        made: its features, if any were made or named.
    """
    source = str(fact.path)
    shown, answers = NetworkInputs(), list[Candidate]()
    boundaries: tuple[Boundary, ...] = ()
    error = fact.error or made.failure
    try:
        shown = load_inputs(made.windows, made.episode)
        boundaries = tuple(predict_views(shown, networks))
        answers = network_candidates(shown, boundaries, networks, network_trust(fact.compared))
    except ClippingError as failure:
        error = str(failure)
    if error is not None:
        failed = Timeline(source, 0.0, (), error)
        return Located(fact.name, failed, fact, shown.windows, boundaries, season)
    lengths = [window.duration for window in shown.windows]
    duration = fact.duration or max(lengths, default=0.0)
    candidates = [*with_text(fact.candidates, shown.windows), *answers]
    segments = fuse_candidates(
        candidates, duration, min_confidence=config.min_confidence, denied=fact.denied
    )
    facts = replace(fact, duration=duration, candidates=tuple(candidates))
    timeline = Timeline(source, round(duration, 3), segments)
    return Located(fact.name, timeline, facts, shown.windows, boundaries, season)
