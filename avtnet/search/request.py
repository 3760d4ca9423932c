"""The settings of ``avtnet locate``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from clipping.errors import ConfigError
from clipping.formats import catalog


@dataclass(frozen=True)
class LocateConfig:
    """Find the opening and the ending of each episode; print a table and write files.

    Episodes of one season (a folder, or S01E02 in the names) are compared: what they repeat is
    found to the sound's own samples. The networks are asked where that tells nothing.
    Without any file or folder, a small demo season is made with real codecs and used.
    """

    inputs: tuple[str, ...] = field(
        default=(),
        metadata={"help": "videos, feature files (.safetensors, .episode), or folders of them"},
    )
    weights: tuple[Path, ...] = ()
    """Checkpoints, of AVTNetDense (avtnet tune) and of others; several are fused. Absent: those
    that are shipped."""
    json: Path | None = None
    """Write the timelines as JSON."""
    csv: Path | None = None
    """Write the segments as CSV."""
    plot: Path | None = None
    """Folder for pictures: one of each season, and one an episode of what the networks saw."""
    explain: tuple[str, ...] = ()
    """Episodes (file or name) of which all reasons are printed; all prints them of every one."""
    clips: Path | None = None
    """Folder to cut the segments into, exact to the frame."""
    write: tuple[str, ...] = field(default=(), metadata={"help": catalog.write_help})
    """Files for players, of each episode, by the names of their formats (docs/formats.md)."""
    write_to: Path | None = None
    """Folder for them; absent, next to the media."""
    padding: float = 0.0
    """Seconds by which each segment in them is longer at both ends; negative: shorter."""
    cache: Path | None = None
    """Folder for the cache of fingerprints and comparisons; absent, .avtnet next to the media."""
    themes: Path | None = None
    """Folder of remembered themes (avtnet themes); absent, the user's."""
    rescan: bool = False
    """Look at everything again, whatever the cache knows, and at files that were set aside."""
    network: Literal["auto", "always", "never"] = "auto"
    """When networks are asked: if an opening or an ending is still missing, about every episode, or
    never."""
    pictures: Literal["auto", "always", "never"] = "auto"
    """When pictures are compared: if the sounds lack an opening or an ending, always, or never."""
    features: Path | None = None
    """Folder to keep features in, so that a second run is quick; absent, they are not kept."""
    audio: str | None = None
    """Sound stream: a language (jpn) or its number; absent, the file's default."""
    min_confidence: float = 0.5
    """Smallest confidence (0..1) of a segment; less probable ones are left out."""
    workers: int | None = None
    """Processes at once; absent, one a core; 0 works in this one."""
    engine: Literal["local", "ray"] = "local"
    """Machines that do the work: processes of this machine, or a Ray cluster."""
    address: str | None = None
    """The Ray cluster, as HOST:PORT or auto; absent, one is started here for this run."""
    look: Literal["windows", "whole"] = "windows"
    """Part of an episode that the networks search: its first and last 200 s, or the whole file,
    for songs that begin later; the time grows with the length."""
    device: str = "cpu"
    """Device that runs the networks: cpu, cuda, cuda:1, mps, or auto."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise ConfigError(f"--min-confidence is from 0 to 1, got {self.min_confidence}")
        if not math.isfinite(self.padding):
            raise ConfigError(f"--padding is a number of seconds, got {self.padding}")
        self._check_swallowed()
        catalog.check_names(self.write)
        if self.workers is not None and not 0 <= self.workers <= 1024:
            raise ConfigError(f"--workers must be 0 to 1024, got {self.workers}")
        if self.address is not None and self.engine != "ray":
            raise ConfigError("--address goes with --engine ray")
        if self.engine == "ray" and self.workers == 0:
            raise ConfigError("--engine ray needs at least one worker, and --workers is 0")
        if self.address is not None and self.network != "never" and self.features is None:
            raise ConfigError(
                "networks are shown features, which on a cluster need a folder that all its "
                "machines see: give --features FOLDER, or --network never"
            )
        # write_timelines tells the form by the suffix.
        if self.csv is not None and self.csv.suffix.lower() != ".csv":
            raise ConfigError(f"--csv ends in .csv, got {self.csv}")
        if self.json is not None and self.json.suffix.lower() == ".csv":
            raise ConfigError(f"--json writes JSON, for CSV there is --csv; got {self.json}")

    def _check_swallowed(self) -> None:
        """See that no option of several words took the name of what is to be searched."""
        options: dict[str, tuple[str | Path, ...]] = {
            "weights": self.weights,
            "explain": self.explain,
            "write": self.write,
        }
        for option, words in options.items():
            if self.inputs or not words:
                continue
            last = Path(words[-1])
            if last.suffix != ".safetensors" if option == "weights" else last.exists():
                raise ConfigError(
                    f"--{option} takes all words after it, also {last}; name what to search "
                    f"before --{option}, or after --"
                )
