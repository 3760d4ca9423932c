"""The settings of a tuning, and the places of the episodes and labels it is made with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from clipping.errors import ConfigError

SHIPPED = "shipped"


@dataclass(frozen=True)
class OwnSource:
    """The places of a person's episodes and their labels."""

    inputs: tuple[str, ...]
    """Media files, or folders of them."""
    features: Path
    """Folder for the features of whole episodes; features that exist are used."""
    labels: Path | None = None
    """Table of all labels, or folder with a file for each episode; None: next to the media."""
    form: str = ""
    found_too: bool = False
    """See :class:`avtnet.tuning.labels.LabelSources`."""
    cache: Path | None = None
    """Folder of the corrections; None: .avtnet next to the media."""
    audio: str | None = None
    """Sound stream: a language, or a number."""
    workers: int | None = None
    """Processes that make features."""


@dataclass(frozen=True)
class TuneConfig:
    """Tune the network that finds openings and endings on your own labelled episodes.

    Name media files or folders. Labels are taken of each episode from: what avtnet correct was
    told (opening 43.0 2:12.95; opening none); else a row of --labels TABLE; else a file next to the
    media in one of the formats that avtnet locate --write knows (01.avtnet.json, 01.csv,
    01.chapters.xml, 01.edl ...; docs/formats.md). Episodes without labels are left out.
    Five labelled episodes of a series are a good beginning. The result is OUTPUT/dense.safetensors:
    avtnet locate NEW --weights OUTPUT/dense.safetensors. How, and what was measured: docs/tune.md.
    """

    inputs: tuple[str, ...] = field(
        default=(), metadata={"help": "labelled episodes: media files, or folders of them"}
    )
    output: Path = Path("runs/tuned")
    """Folder: dense.safetensors, folds/ (a run that was interrupted goes on there), features/."""
    init: str = SHIPPED
    """The weights to begin with: shipped, or a file of AVTNetDense."""
    labels: Path | None = None
    """A table of all labels (JSON or CSV as avtnet locate writes it), or a folder with a file of
    labels an episode; absent, these are next to the media."""
    format: str = ""
    """Format of the labels, if files of several lie there: edl, chapters, csv ..."""
    found_too: bool = False
    """Count labels with a confidence, which a program found, as if a person had given them."""
    cache: Path | None = None
    """The folder that avtnet correct's --cache named; absent, .avtnet next to the media."""
    features: Path | None = None
    """Folder of whole episodes' features (preprocess --sides whole); what is missing is made.
    Absent, OUTPUT/features."""
    audio: str | None = None
    """Sound stream: a language (jpn) or its number; absent, the file's default."""
    library: Path | None = None
    """Folder of rendered pieces (of avtnet dense_train), composed to episodes that are mixed in so
    that nothing is forgotten."""
    own_share: float = 0.5
    """With --library: the share of the windows that are your own."""
    folds: int = 3
    """Parts of the episodes. Each is held back once, to stop in time and to measure the gain; the
    weights of all these trainings are averaged."""
    steps: int = 30
    """Steps of each training at most; it ends before where the held-back episodes gain no more.
    Enough for five episodes."""
    batch_size: int = 6
    """Windows of 200 s in a step."""
    lr: float = 3e-4
    """Peak learning rate of AdamW."""
    senses: bool = True
    """Also train the encoders of single seconds; --no-senses trains only the layers behind them, in
    half the time, with hardly a gain."""
    seed: int = 0
    """Seed of the parts, the windows and dropout."""
    threads: int = 1
    """Threads of the processor for the network."""
    workers: int | None = None
    """Processes that make features; absent, one a core; 0 works in this one."""

    def __post_init__(self) -> None:
        if not self.inputs:
            raise ConfigError("name the labelled episodes: media files, or folders of them")
        for name, low, high in (
            ("folds", 1, 20),
            ("steps", 1, 100_000),
            ("batch_size", 1, 4096),
            ("threads", 1, 1024),
        ):
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name} is {low} to {high}, got {getattr(self, name)}")
        if not 0 < self.lr < 1:
            raise ConfigError(f"lr is above 0 and below 1, got {self.lr}")
        if not 0 < self.own_share <= 1:
            raise ConfigError(f"--own-share is above 0, up to 1, got {self.own_share}")

    @property
    def source(self) -> OwnSource:
        """The episodes and the labels to tune with, and the folder of their features."""
        return OwnSource(
            self.inputs,
            self.features or self.output / "features",
            self.labels,
            self.format,
            self.found_too,
            self.cache,
            self.audio,
            self.workers,
        )
