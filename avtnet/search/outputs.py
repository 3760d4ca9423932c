"""Print and write what ``locate`` found, season by season."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from avtnet.evidence import NETWORKS
from clipping.errors import ClippingError
from clipping.files import require_output, require_writable
from clipping.formats import catalog
from clipping.formats.tables import write_timelines
from clipping.kept.cache import Cache
from clipping.kept.edits import note_written, written_json
from clipping.printable import printable
from clipping.segments import Segment, Timeline, clock

if TYPE_CHECKING:
    from avtnet.search.episodes import Located
    from avtnet.search.request import LocateConfig
    from avtnet.search.walk import SeasonFound

_ALWAYS = ("opening", "ending")
_ALL = "all"


def check_outputs(config: LocateConfig) -> None:
    """Check before the work that all outputs can be written.

    Raises:
        ClippingError: naming the file or folder.
        ExtraMissing: where a format needs a package that is not installed.
    """
    catalog.require_packages(config.write)
    for path in (config.json, config.csv):
        if path is not None:
            require_output(path)
    for folder in (config.plot, config.clips, config.write_to if config.write else None):
        if folder is not None:
            require_writable(folder)


class ResultWriter:
    """Takes seasons as they are done: prints and writes what was asked for of each and of all."""

    def __init__(self, config: LocateConfig, notes: Console) -> None:
        self._config, self._notes = config, notes
        self._timelines: dict[str, Timeline] = {}
        self._unprinted: list[Located] = []
        self._unexplained = {word for word in config.explain if word != _ALL}
        self._asked = 0
        """Episodes about which a network was asked."""
        self.failed: list[str] = []

    def episode(self, located: Located) -> None:
        """Write the files of an episode."""
        self._timelines[located.name] = located.timeline
        self._unprinted.append(located)
        self._asked += bool(located.seen)
        if located.timeline.error is not None:
            self.fail(located.timeline.error)
            return
        for made in (self._illustrate(located), self._write_for_players(located)):
            try:
                for path in made:
                    self._notes.print(printable(f"written: {path}"))
            except ClippingError as error:
                self.fail(str(error))

    def season(self, season: SeasonFound) -> None:
        """Print the rows and reasons of a season whose episodes were taken, and draw it."""
        self._print()
        self._draw(season)

    def _print(self) -> None:
        episodes, self._unprinted = self._unprinted, []
        Console().print(table(episodes))
        for located in episodes:
            if self._is_explained(located):
                Console().print(printable(explanation(located)))

    def fail(self, error: str) -> None:
        """Tell of a failure, once."""
        if error not in self.failed:
            self.failed.append(error)
            self._notes.print(printable(f"failed: {error}"), style="red")

    def finish(self) -> None:
        """Write the files of all episodes, in the order of their names."""
        if not self._timelines:
            return
        if self._unprinted:  # of a season that was interrupted
            self._print()
        self._tell_of_weights()
        timelines = [self._timelines[name] for name in sorted(self._timelines)]
        for path in (self._config.json, self._config.csv):
            if path is not None:
                write_timelines(path, timelines)
                self._notes.print(printable(f"written: {path}"))

    def _tell_of_weights(self) -> None:
        """Print which network was asked, if the user named none."""
        from avtnet.dense.onnx_network import shipped_onnx

        if self._asked and not self._config.weights and self._config.network != "never":
            origin = shipped_onnx().info.trained_on
            self._notes.print(
                f"{self._asked} of {len(self._timelines)} episodes were looked at by a network, "
                f"and no --weights were named: the shipped AVTNetDense, trained on {origin}; "
                "on real episodes expect some wrong answers of it (docs/model-card.md)",
                style="yellow",
            )

    def _is_explained(self, located: Located) -> bool:
        path = located.facts.path
        names = {located.name, str(path), path.name}
        meant = {
            word
            for word in self._config.explain
            if word in names or Path(word).absolute() == path.absolute()
        }
        self._unexplained -= meant
        return bool(meant) or _ALL in self._config.explain

    def complete(self, inputs: Sequence[str]) -> None:
        """Name what was asked for and not there, after all episodes."""
        if not self._timelines and not self.failed:
            self.fail(f"{', '.join(inputs)}: there are no media files in it")
        for word in sorted(self._unexplained):
            self.fail(f"--explain {word}: no episode that was searched has this name")

    def _draw(self, season: SeasonFound) -> None:
        if self._config.plot is None or len(season.episodes) < 2:
            return
        from avtnet.search.season_plot import draw_season

        name = "season.png" if season.seasons == 1 else f"season-{season.number + 1}.png"
        try:
            path = draw_season(self._config.plot / name, season.episodes)
            self._notes.print(printable(f"written: {path}"))
        except ClippingError as error:
            self.fail(str(error))

    def _illustrate(self, located: Located) -> Iterator[Path]:
        """Draw an episode and cut its clips, where that is wanted; yield the files."""
        found = located.timeline
        if self._config.plot is not None and located.seen:
            from avtnet.search.plot import draw_episode

            answers = [each for each in located.facts.candidates if each.source == NETWORKS]
            yield draw_episode(
                self._config.plot, located.name, located.seen, found, located.boundaries, answers
            )
        if self._config.clips is not None and found.segments:
            from clipping.cutting.cut import cut

            folder, name = self._config.clips, located.name
            for clip in cut(found.source, found, output=folder, overwrite=True, name=name):
                yield clip.path

    def _write_for_players(self, located: Located) -> Iterator[Path]:
        """Write the files of ``--write``; none for an episode in which nothing was found."""
        config, found = self._config, located.timeline
        if config.write and found.segments:
            called = located.name if config.write_to is not None else ""
            wide = catalog.padded(found, config.padding)
            yield from catalog.write_beside(
                wide, config.write, folder=config.write_to, called=called
            )
            if "json" in config.write:
                # So that a person's edit of it is told from our own words.
                path = located.facts.path
                file = written_json(path, located.name, config.write_to)
                note_written(path, Cache(config.cache), found, config.padding, file)


def table(episodes: Sequence[Located]) -> Table:
    """Return a table with a row for each episode: what was found, and how sure it is."""
    others = sorted(
        {
            segment.label
            for located in episodes
            for segment in located.timeline.segments
            if segment.label not in _ALWAYS
        }
    )
    made = Table("episode", "length", "opening", "sure", "ending", "sure", *others)
    for located in episodes:
        found = located.timeline
        if found.error is not None:
            cells = ["[red]failed[/]", "", "", "", *("" for _ in others)]
        else:
            cells = [*_cells(found.opening), *_cells(found.ending)]
            cells += [_spans(located, label) for label in others]
        made.add_row(escape(printable(located.name)), clock(found.duration, 1), *cells)
    return made


def _cells(segment: Segment | None) -> tuple[str, str]:
    if segment is None:
        return "nothing found", ""
    span = f"{clock(segment.start, 1)} - {clock(segment.end, 1)}"
    return span, "" if segment.score is None else f"{segment.score:.2f}"


def _spans(located: Located, label: str) -> str:
    return ", ".join(
        f"{clock(segment.start, 1)} - {clock(segment.end, 1)}"
        for segment in located.timeline.segments
        if segment.label == label
    )


def explanation(located: Located) -> str:
    """Return all reasons of an episode's segments, and what was not believed, as rich text."""
    found, facts = located.timeline, located.facts
    lines = [f"[bold]{escape(located.name)}[/]  {clock(found.duration, 1)}"]
    if found.error is not None:
        return "\n".join([*lines, f"  failed: {escape(found.error)}"])
    compared = f"compared with {facts.compared} other episodes" if facts.compared else "alone"
    lines.append(f"  {compared}" + "".join(f"; {escape(note)}" for note in facts.notes))
    for segment in found.segments:
        score = "" if segment.score is None else f", confidence {segment.score:.2f}"
        lines.append(
            f"  [green]{segment.label}[/] {segment.start:.3f} - {segment.end:.3f} s{score}"
        )
        lines += [f"    {escape(reason)}" for reason in segment.evidence]
    shown = {(segment.label, reason) for segment in found.segments for reason in segment.evidence}
    for candidate in facts.candidates:
        if any((candidate.role, reason) in shown for reason in candidate.reasons):
            continue
        span = f"{_time(candidate.start)} - {_time(candidate.end)}"
        lines.append(
            f"  not said: {candidate.role} {span} by {candidate.source}, trust "
            f"{candidate.trust:.2f}"
        )
        lines += [f"    {escape(reason)}" for reason in candidate.reasons]
    if not found.segments and not facts.candidates:
        lines.append("  no source tells of anything")
    return "\n".join(lines)


def _time(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.2f}"
