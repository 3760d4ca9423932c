"""The original's networks as a finder (:mod:`avtnet.search.finders`): one boundary a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avtnet.classic import checkpoints
from avtnet.classic.checkpoints import Checkpoint
from avtnet.classic.decode import SHIFTS, Boundary, candidate_of, fuse_views, shifted
from avtnet.classic.positions import check_window, predict_windows
from avtnet.dense.window_answer import WindowAnswer
from avtnet.evidence import Candidate
from clipping.errors import ConfigError
from preprocess.episode import Episode
from preprocess.features import Features
from preprocess.settings import FeatureSettings

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ClassicFinder:
    """Networks that look at a window and name one boundary; several are fused to one answer."""

    models: tuple[Checkpoint, ...]

    @classmethod
    def load(cls, paths: Sequence[Path], device: torch.device | None = None) -> ClassicFinder:
        """See :meth:`avtnet.search.finders.FinderClass.load`.

        Raises:
            CheckpointError: if one cannot be used.
            ConfigError: if two were trained on different features.
        """
        models = tuple(checkpoints.load(path, device or "cpu") for path in paths)
        for model in models[1:]:
            if model.info.features.decisive() != models[0].info.features.decisive():
                one, other = models[0].path, model.path
                raise ConfigError(f"{one} and {other} were trained on different features")
        return cls(models)

    @staticmethod
    def check_file(path: Path) -> None:
        """See :meth:`avtnet.search.finders.FinderClass.check_file`."""
        checkpoints.read_info(path)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the networks."""
        return tuple(model.path for model in self.models)

    @property
    def features(self) -> FeatureSettings:
        """The features that the networks take."""
        return self.models[0].info.features

    def check(self, window: Features) -> None:
        """See :meth:`avtnet.search.finders.Finder.check`."""
        for model in self.models:
            check_window(model, window)

    def views(self, windows: Sequence[Features]) -> list[Boundary]:
        """See :meth:`avtnet.search.finders.Finder.views`."""
        return [predict_window(window, self.models) for window in windows]

    def candidates(
        self,
        windows: Sequence[Features],
        episode: Episode | None,
        views: Sequence[Boundary],
        trust: float,
    ) -> list[Candidate]:
        """See :meth:`avtnet.search.finders.Finder.candidates`."""
        weights = describe(self.models)
        found = (candidate_of(view, weights, trust=trust) for view in views)
        return [each for each in found if each is not None]

    def answers(
        self, windows: Sequence[Path | Features], *, batch_size: int = 8
    ) -> list[WindowAnswer]:
        """See :meth:`avtnet.search.finders.Finder.answers`; the first network is asked."""
        positions = predict_windows(self.models[0], windows, batch_size=batch_size)
        return [WindowAnswer(position) for position in positions]


def predict_window(features: Features, models: Sequence[Checkpoint]) -> Boundary:
    """Fuse every model's views of one window.

    Raises:
        FeatureError: if the features are not those that a model was trained on.
    """
    seen = {}
    for index, model in enumerate(models):
        check_window(model, features)
        moved = [shifted(features, seconds) for seconds in SHIFTS]
        positions = predict_windows(model, moved)
        name = f"{index + 1}:{model.path.parent.name}/{model.path.stem}"
        seen[name] = [place + shift for place, shift in zip(positions, SHIFTS, strict=True)]
    return fuse_views(features, seen)


def describe(models: Sequence[Checkpoint]) -> str:
    """Name the models in a few words, for the evidence."""
    if len(models) > 1:
        return f"{len(models)} networks fused"
    info = models[0].info
    return f"{info.model.kind} ({info.model.size})"
