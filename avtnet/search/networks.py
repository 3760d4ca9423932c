"""The networks that are asked about an episode, their inputs, and their candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avtnet.classic.decode import Boundary
from avtnet.dense.finder import DenseFinder
from avtnet.evidence import Candidate
from avtnet.search.finders import Finder, check_file, load_finders
from clipping.extra import extra_imports, has_extra
from preprocess.episode import Episode, open_episode
from preprocess.features import Features
from preprocess.features import load as load_features
from preprocess.settings import FeatureSettings

if TYPE_CHECKING:
    import torch

    from avtnet.search.request import LocateConfig


@dataclass(frozen=True)
class Networks:
    """The loaded networks; empty where none will be asked."""

    settings: FeatureSettings
    """Settings of the features that they take."""
    finders: tuple[Finder, ...] = ()
    """The networks, those of one format together."""


@dataclass(frozen=True)
class NetworkInputs:
    """The features of an episode that the networks get."""

    windows: tuple[Features, ...] = ()
    episode: Episode | None = None
    """All of its seconds, if they were made."""


def load_networks(config: LocateConfig) -> Networks:
    """Load the networks that a search is going to ask.

    Raises:
        CheckpointError: if one cannot be used.
        ConfigError: if two want other features, or the device is not there.
        ExtraMissing: if torch is needed and not installed: for named weights and for a GPU.
    """
    device = find_torch_device(config.device)
    if config.network == "never" and not config.weights:
        return Networks(FeatureSettings())
    if config.weights:
        finders = load_finders(config.weights, device)
    else:
        with extra_imports():
            finders = (DenseFinder.shipped(device),)
    return Networks(finders[0].features, () if config.network == "never" else finders)


def find_torch_device(name: str) -> torch.device | None:
    """Return torch's device of a name; None for the CPU, where the shipped network needs no torch.

    Raises:
        ConfigError: where the device is not there.
        ExtraMissing: where it is torch that is not there.
    """
    if name == "cpu" or (name == "auto" and not has_extra("torch")):
        return None
    with extra_imports():
        from clipping.learning.devices import find_device

    device = find_device(name)
    return None if device.type == "cpu" else device


def check_weights(config: LocateConfig) -> None:
    """Check that the files of the named weights are checkpoints.

    Raises:
        CheckpointError: where one is not.
        ExtraMissing: where torch, which reads them, is not installed.
    """
    for path in config.weights:
        check_file(path)


def load_inputs(windows: Sequence[Path], episode: Path | None) -> NetworkInputs:
    """Read the networks' inputs from files of features.

    Args:
        windows: of single windows.
        episode: of all seconds; both windows are cut out of it where there are none.

    Raises:
        FeatureError: naming the file, where one is damaged or of another version.
    """
    singles = tuple(map(load_features, windows))
    if episode is None:
        return NetworkInputs(singles)
    whole = open_episode(episode)
    return NetworkInputs(singles or whole.windows(), whole)


def predict_views(inputs: NetworkInputs, networks: Networks) -> list[Boundary]:
    """Return where the networks that name one boundary see it, in each window.

    Raises:
        FeatureError: if the features are not those that a network was trained on.
    """
    return [view for finder in networks.finders for view in finder.views(inputs.windows)]


def network_candidates(
    inputs: NetworkInputs, boundaries: Sequence[Boundary], networks: Networks, trust: float
) -> list[Candidate]:
    """Return what all networks say, as evidence.

    Args:
        boundaries: see :func:`predict_views`.
        trust: weight of their confidence, 0..1.

    Raises:
        FeatureError: if the features are not those that a network was trained on.
    """
    return [
        candidate
        for finder in networks.finders
        for candidate in finder.candidates(inputs.windows, inputs.episode, boundaries, trust)
    ]
