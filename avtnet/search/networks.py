"""The networks that are asked about an episode: which they are, what they are shown, what they
say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avtnet.classic.decode import SHIFTS, Boundary, candidate_of, fuse_views, shifted
from avtnet.dense import episode, inference, onnx_network
from avtnet.dense.info import DenseNetwork
from avtnet.evidence import Candidate
from clipping.errors import ConfigError
from clipping.extra import extra_imports, has_extra
from preprocess.episode import Episode, open_episode
from preprocess.features import Features
from preprocess.features import load as load_features
from preprocess.settings import FeatureSettings

if TYPE_CHECKING:
    import torch

    from avtnet.classic.checkpoints import Checkpoint
    from avtnet.search.request import LocateConfig

SHIPPED = Path(__file__).parents[1] / "weights" / "demo.safetensors"
"""A small AVTNet_YOLT, trained on made-up episodes only."""


@dataclass(frozen=True)
class Networks:
    """Who is asked, if anybody is: nothing is loaded that is not going to be."""

    settings: FeatureSettings
    """Of the features that they take."""
    models: tuple[Checkpoint, ...] = ()
    """Those of the challenge's kind, which look at a window and name one boundary."""
    dense: tuple[DenseNetwork, ...] = ()
    """Those that know both ends."""


@dataclass(frozen=True)
class NetworkInputs:
    """What is shown of an episode."""

    windows: tuple[Features, ...] = ()
    episode: Episode | None = None
    """All of its seconds, if they were made."""


def load_networks(config: LocateConfig) -> Networks:
    """The networks that a search is going to ask.

    Raises:
        CheckpointError: where one cannot be used.
        ConfigError: where two want other features, or the device is not there.
    """
    if config.network == "never" and not config.weights:
        find_torch_device(config.device)
        return Networks(FeatureSettings())
    models, seers = tuple(load_models(config)), tuple(load_dense(config))
    settings = [model.info.features for model in models] + [seer.info.features for seer in seers]
    if config.network == "never":
        models, seers = (), ()
    return Networks(settings[0], models, seers)


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
    """See that the files of the named weights are checkpoints.

    Raises:
        CheckpointError: where one is not.
        ExtraMissing: where torch, which reads them, is not installed.
    """
    if config.weights:
        with extra_imports():
            from avtnet.classic import checkpoints
            from avtnet.dense.checkpoint import is_dense
        for path in config.weights:
            if not is_dense(path):
                checkpoints.read_info(path)


def load_models(config: LocateConfig) -> list[Checkpoint]:
    """The checkpoints of the challenge's networks to ask, which must take the same features.

    Raises:
        CheckpointError: where one cannot be used.
        ConfigError: where two want other features.
        ExtraMissing: where weights are named and torch is not installed.
    """
    if not config.weights:
        return []
    with extra_imports():
        from avtnet.classic import checkpoints
        from avtnet.dense.checkpoint import is_dense

    device = find_torch_device(config.device) or "cpu"
    paths = [path for path in _each_once(config.weights) if not is_dense(path)]
    models = [checkpoints.load(path, device) for path in paths]
    for model in models[1:]:
        if model.info.features.decisive() != models[0].info.features.decisive():
            one, other = models[0].path, model.path
            raise ConfigError(f"{one} and {other} were trained on different features")
    return models


def load_dense(config: LocateConfig) -> list[DenseNetwork]:
    """Return the networks of AVTNetDense to ask; the shipped one where no weights are named.

    Raises:
        CheckpointError: where one cannot be used.
        ExtraMissing: where torch is needed and not installed: for named weights and for a GPU.
    """
    device = find_torch_device(config.device)
    if not config.weights and device is None:
        return [onnx_network.shipped()]
    with extra_imports():
        from avtnet.dense import checkpoint

    if not config.weights:
        return [checkpoint.shipped(device or checkpoint.CPU)]
    return [
        checkpoint.load(path, device or checkpoint.CPU)
        for path in _each_once(config.weights)
        if checkpoint.is_dense(path)
    ]


def _each_once(paths: Sequence[Path]) -> list[Path]:
    """Drop files that are named again, also through a link: the same network is no second vote."""
    first: dict[Path, Path] = {}
    for path in paths:
        first.setdefault(path.resolve(), path)
    return list(first.values())


def load_inputs(windows: Sequence[Path], episode: Path | None) -> NetworkInputs:
    """What files of features show.

    Args:
        windows: of single windows.
        episode: of all seconds; both windows are cut out of it where there are none.

    Raises:
        FeatureError: naming the file, where one is damaged or of another version.
    """
    seen = tuple(map(load_features, windows))
    if episode is None:
        return NetworkInputs(seen)
    whole = open_episode(episode)
    return NetworkInputs(seen or whole.windows(), whole)


def predict_views(sight: NetworkInputs, networks: Networks) -> list[Boundary]:
    """What the networks of the challenge's kind see in both windows.

    Raises:
        FeatureError: where the features are not those that a model was trained on.
    """
    return (
        [predict_window(window, networks.models) for window in sight.windows]
        if networks.models
        else []
    )


def network_candidates(
    sight: NetworkInputs, boundaries: Sequence[Boundary], networks: Networks, trust: float
) -> list[Candidate]:
    """What all networks say, as evidence.

    Args:
        boundaries: see :func:`predict_views`.
        trust: what their confidence counts for.

    Raises:
        FeatureError: where the features are not those that a network was trained on.
    """
    said: list[Candidate] = []
    for checkpoint in networks.dense:
        if sight.episode is not None:
            said += episode.candidates(sight.episode, checkpoint, trust=trust)
            continue
        for window in sight.windows:
            said += inference.candidates(window, checkpoint, trust=trust)
    for boundary in boundaries:
        candidate = candidate_of(boundary, describe(networks.models), trust=trust)
        if candidate is not None:
            said.append(candidate)
    return said


def predict_window(features: Features, models: Sequence[Checkpoint]) -> Boundary:
    """Every model's views of one window, fused.

    Raises:
        FeatureError: where the features are not those that a model was trained on.
    """
    from avtnet.classic.positions import check_settings, predict_windows

    seen = {}
    for index, model in enumerate(models):
        check_settings(model, features)
        moved = [shifted(features, seconds) for seconds in SHIFTS]
        positions = predict_windows(model, moved)
        name = f"{index + 1}:{model.path.parent.name}/{model.path.stem}"
        seen[name] = [place + shift for place, shift in zip(positions, SHIFTS, strict=True)]
    return fuse_views(features, seen)


def describe(models: Sequence[Checkpoint]) -> str:
    """Who says it, in a few words."""
    if len(models) > 1:
        return f"{len(models)} networks fused"
    info = models[0].info
    shipped = " with the demo weights" if models[0].path == SHIPPED else ""
    return f"{info.model.kind} ({info.model.size}){shipped}"
