"""What ``locate`` prints and writes of the episodes that it searched."""

from __future__ import annotations

from collections.abc import Iterator
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
from clipping.segments import Segment, clock

if TYPE_CHECKING:
    from avtnet.search.episodes import Located
    from avtnet.search.request import LocateConfig

_ALWAYS = ("opening", "ending")
_ALL = "all"


def check_outputs(config: LocateConfig) -> None:
    """Say before the work, not after it, what cannot be written.

    Raises:
        ClippingError: naming the file or folder.
    """
    for path in (config.json, config.csv):
        if path is not None:
            require_output(path)
    for folder in (config.plot, config.clips, config.write_to if config.write else None):
        if folder is not None:
            require_writable(folder)


class ResultWriter:
    """Takes episodes as they are done, and writes what was asked for of each and of all."""

    def __init__(self, config: LocateConfig, notes: Console) -> None:
        self._config, self._notes = config, notes
        self._done: list[Located] = []
        self.failed: list[str] = []

    def take(self, located: Located) -> None:
        """One more episode."""
        self._done.append(located)
        if located.timeline.error is not None:
            self.failed.append(located.timeline.error)
            return
        for made in (self._illustrate(located), self._write_for_players(located)):
            try:
                for path in made:
                    self._notes.print(f"written: {path}")
            except ClippingError as error:
                self.failed.append(str(error))

    def finish(self) -> None:
        """The table, the files of all episodes, the reasons, what failed."""
        if self._done:
            self._tell_of_weights()
            Console().print(table(self._done))
            for located in self._done:
                if self._is_explained(located):
                    Console().print(explanation(located))
            timelines = [located.timeline for located in self._done]
            for path in (self._config.json, self._config.csv):
                if path is not None:
                    write_timelines(path, timelines)
                    self._notes.print(f"written: {path}")
            self._draw_seasons()
        for error in self.failed:
            self._notes.print(f"failed: {error}", style="red")

    def _tell_of_weights(self) -> None:
        """Who was asked, where nobody chose it."""
        from avtnet.dense.onnx_network import shipped

        asked = [located for located in self._done if located.seen]
        if asked and not self._config.weights and self._config.network != "never":
            origin = shipped().info.trained_on
            self._notes.print(
                f"{len(asked)} of {len(self._done)} episodes were looked at by a network, and no "
                f"--weights were named: the shipped AVTNetDense, trained on {origin}; on real "
                "episodes expect some wrong answers of it (docs/model-card.md)",
                style="yellow",
            )

    def _is_explained(self, located: Located) -> bool:
        wanted = self._config.explain
        names = {located.name, str(located.facts.path), located.facts.path.name}
        paths = {Path(word).absolute() for word in wanted}
        return _ALL in wanted or bool(names & set(wanted)) or located.facts.path.absolute() in paths

    def _draw_seasons(self) -> None:
        if self._config.plot is None:
            return
        from avtnet.search.season_plot import draw_season

        numbers = sorted({located.season for located in self._done})
        for number in numbers:
            members = [located for located in self._done if located.season == number]
            if len(members) > 1:
                path = self._config.plot / (
                    "season.png" if len(numbers) == 1 else f"season-{number + 1}.png"
                )
                try:
                    self._notes.print(f"written: {draw_season(path, members)}")
                except ClippingError as error:
                    self.failed.append(str(error))

    def _illustrate(self, located: Located) -> Iterator[Path]:
        """Draw an episode and cut its clips, where that is wanted."""
        found = located.timeline
        if self._config.plot is not None and located.seen:
            from avtnet.search.plot import draw_episode

            said = [each for each in located.facts.candidates if each.source == NETWORKS]
            yield draw_episode(
                self._config.plot, located.name, located.seen, found, located.boundaries, said
            )
        if self._config.clips is not None and found.segments:
            from clipping.cutting.cut import cut

            folder, name = self._config.clips, located.name
            for clip in cut(found.source, found, output=folder, overwrite=True, name=name):
                yield clip.path

    def _write_for_players(self, located: Located) -> Iterator[Path]:
        """The files of ``--write``; none for an episode in which nothing was found."""
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


def table(episodes: list[Located]) -> Table:
    """A row an episode: what was found, and how sure it is."""
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
        made.add_row(escape(located.name), clock(found.duration, 1), *cells)
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
    """All reasons of an episode's segments, and what was not believed."""
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
    said = {(segment.label, reason) for segment in found.segments for reason in segment.evidence}
    for candidate in facts.candidates:
        if any((candidate.role, reason) in said for reason in candidate.reasons):
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
