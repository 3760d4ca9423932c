"""The features of the episodes about which networks are asked, kept or made for now."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from avtnet.search.networks import Networks
from avtnet.search.request import LocateConfig
from preprocess.batch.command import Planner, PreprocessConfig
from preprocess.batch.report import WindowOutcome
from preprocess.batch.tasks import FeatureTask, load_engines


class AskedFeatures:
    """The files of features that networks are shown."""

    def __init__(
        self, config: LocateConfig, networks: Networks, media: Sequence[str], stack: ExitStack
    ) -> None:
        """Prepare the folder of the features.

        Args:
            media: the words that name media.
            stack: closed at the end of the walk, with the folder if it is not kept.
        """
        settings = networks.settings
        if config.audio is not None:
            decimal = config.audio.isascii() and config.audio.isdecimal()
            settings = replace(settings, audio=int(config.audio) if decimal else config.audio)
        self._kept = config.features is not None
        folder = config.features or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="avtnet-"))
        )
        self._config = PreprocessConfig(
            inputs=tuple(media),
            output=folder,
            sides="whole" if config.look == "whole" else "both",
            engine=config.engine,
            features=settings,
        )
        self._planner = Planner(self._config)
        self.season: dict[str, int] = {}
        """The number of the season of an episode whose features are being made."""

    def plan(
        self, number: int, episodes: Mapping[str, Path]
    ) -> tuple[list[FeatureTask], list[WindowOutcome]]:
        """Return what is to be made for the episodes of a season, and what is settled.

        Raises:
            ClippingError: where the text engine is not installed.
        """
        tasks, settled = self._planner.plan(episodes)
        if tasks and self._config.engine == "local":
            load_engines(self._config.making)
        self.season |= dict.fromkeys(episodes, number)
        return tasks, settled

    def drop(self, outcomes: Sequence[WindowOutcome]) -> None:
        """Forget the features of a season that is done; delete them unless they are kept."""
        for outcome in outcomes:
            self.season.pop(outcome.name, None)
            if outcome.output is not None and not self._kept:
                with suppress(OSError):
                    Path(outcome.output).unlink()
