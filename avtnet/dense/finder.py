"""AVTNetDense as a finder (:mod:`avtnet.search.finders`): it knows both ends, or says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avtnet.dense import episode as whole_episode
from avtnet.dense import inference, onnx_network
from avtnet.dense.info import DenseNetwork, check_settings
from avtnet.dense.window_answer import WindowAnswer, dense_answers
from avtnet.evidence import Candidate
from preprocess.episode import Episode
from preprocess.features import Features, features_of
from preprocess.settings import FeatureSettings

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class DenseFinder:
    """Networks of AVTNetDense; each gives its own candidates."""

    networks: tuple[DenseNetwork, ...]

    @classmethod
    def shipped(cls, device: torch.device | None = None) -> DenseFinder:
        """Return the weights that come with the package; without a device they need no torch."""
        if device is None:
            return cls((onnx_network.shipped_onnx(),))
        from avtnet.dense import checkpoint

        return cls((checkpoint.shipped(device),))

    @classmethod
    def load(cls, paths: Sequence[Path], device: torch.device | None = None) -> DenseFinder:
        """See :meth:`avtnet.search.finders.FinderClass.load`."""
        from avtnet.dense import checkpoint

        return cls(tuple(checkpoint.load(path, device or checkpoint.CPU) for path in paths))

    @staticmethod
    def check_file(path: Path) -> None:
        """See :meth:`avtnet.search.finders.FinderClass.check_file`."""
        from avtnet.dense.info import read_dense_info
        from clipping.learning.checkpoints import opened

        with opened(path) as file:
            read_dense_info(path, file.metadata() or {})

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the networks."""
        return tuple(network.path for network in self.networks)

    @property
    def features(self) -> FeatureSettings:
        """The features that the networks take."""
        return self.networks[0].info.features

    def check(self, window: Features) -> None:
        """See :meth:`avtnet.search.finders.Finder.check`."""
        for network in self.networks:
            check_settings(network.info.features, window)

    def views(self, windows: Sequence[Features]) -> list[object]:
        """Return nothing: the candidates say all."""
        return []

    def candidates(
        self,
        windows: Sequence[Features],
        episode: Episode | None,
        views: Sequence[object],
        trust: float,
    ) -> list[Candidate]:
        """See :meth:`avtnet.search.finders.Finder.candidates`."""
        found: list[Candidate] = []
        for network in self.networks:
            if episode is not None:
                found += whole_episode.episode_candidates(episode, network, trust=trust)
                continue
            for window in windows:
                found += inference.window_candidates(window, network, trust=trust)
        return found

    def answers(
        self, windows: Sequence[Path | Features], *, batch_size: int = 8
    ) -> list[WindowAnswer]:
        """See :meth:`avtnet.search.finders.Finder.answers`; the first network is asked."""
        return dense_answers(self.networks[0], map(features_of, windows), batch_size=batch_size)
