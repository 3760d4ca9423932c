"""Find the opening and the ending of episodes: the function and the command behind ``locate``.

This module is not called ``locate``, so that ``from avtnet import locate`` is always the function.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avtnet.search.request import LocateConfig
from clipping.config import parse, run
from clipping.errors import ClippingError
from clipping.segments import Timeline

if TYPE_CHECKING:
    from rich.console import Console

PROG = "python -m avtnet.locate"


def locate(
    path: Path | str,
    weights: Path | str | Sequence[Path | str] = (),
    *,
    min_confidence: float = LocateConfig.min_confidence,
    device: str = LocateConfig.device,
    **options: Any,
) -> Any:
    """Find the openings and endings of an episode, or of all episodes of a folder.

    The work is done by processes, one a core; ``workers=0`` does it in this one, and
    ``engine="ray"`` on a cluster.

    Args:
        path: a media file, or a folder. The episodes of a folder are compared with each other,
            which is much the better evidence.
        weights: a checkpoint, or several to be fused; none takes those of AVTNetDense that are
            shipped, which were trained on made-up episodes only.
        min_confidence: below it nothing is said.
        device: where the networks run: cpu, cuda, cuda:1, mps, or auto.
        options: any other setting of :class:`LocateConfig` by its name.

    Returns:
        The :class:`~clipping.segments.Timeline` of a file; of a folder a list of them, in which a
        bad file has an ``error``. (:func:`locate_all` always gives a list.)

    Raises:
        ClippingError: where the file is no media, or the weights cannot be used.
    """
    several = [weights] if isinstance(weights, str | Path) else weights
    config = LocateConfig(
        inputs=(str(path),),
        weights=tuple(map(Path, several)),
        min_confidence=min_confidence,
        device=device,
        **options,
    )
    found = locate_all(config)
    if Path(path).is_dir():
        return found
    (timeline,) = found
    if timeline.error is not None:
        raise ClippingError(timeline.error)
    return timeline


def locate_all(config: LocateConfig) -> list[Timeline]:
    """Return the timeline of every episode in files and folders; a bad one has an ``error``.

    Raises:
        ClippingError: where an input does not exist, or the weights cannot be used.
    """
    from avtnet.search.walk import search

    return [located.timeline for located in search(config)]


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.locate``."""
    config = parse(LocateConfig, argv, prog=PROG, positional="inputs")
    return run(lambda: _command(config), PROG)


def _command(config: LocateConfig) -> int:
    # Not above: the help of the command needs none of them.
    from rich.console import Console

    from avtnet.search import outputs
    from avtnet.search.networks import check_weights
    from avtnet.search.walk import walk_seasons

    notes = Console(stderr=True, soft_wrap=True, markup=False)
    outputs.check_outputs(config)
    check_weights(config)  # a wrong one is told before a season is made
    if not config.inputs:
        config = replace(config, inputs=(str(demo_season(notes)),))
    report = outputs.ResultWriter(config, notes)
    try:
        walk = walk_seasons(config, episode=report.episode, unreadable=report.fail)
        with closing(walk) as seasons:
            for season in seasons:
                report.season(season)
        report.complete(config.inputs)
    finally:  # after Ctrl-C too: what was found is not lost
        report.finish()
    return 1 if report.failed else 0


def demo_season(notes: Console) -> Path:
    """Make a small season with real codecs; return its folder."""
    from avtnet.synthesize import make_season

    folder = Path("avtnet-demo")
    notes.print(f"no files were named: making a small demo season in {folder}/")
    return make_season(folder)
