"""Train AVTNet, AVTNet2 or AVTNet_YOLT on composed windows: ``avtnet train --composed LIBRARY``.

Windows are composed of rendered pieces as ``python -m avtnet.compose`` does, but none is shown
twice and none is written. Two thirds of a training's time on a CPU go into composing windows and
into the encoders of pictures and text, which are frozen and look at single seconds. So every second
of every piece is encoded once in each of some copies (colours, grain, bars and shape as drawn for
each, half of them mirrored), and windows are composed of vectors. Their sound is composed and
encoded as always.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avtnet.classic import checkpoints
from avtnet.classic.checkpoints import Checkpoint, CheckpointInfo
from avtnet.classic.config import ModelConfig, TrainConfig
from avtnet.classic.dataset import Window, read_windows
from avtnet.classic.first_weights import first_weights, part_of
from avtnet.classic.fit import validated_by, without_song_loss
from avtnet.classic.losses import loss_terms, mean_loss, song_term
from avtnet.classic.model import AVTNet, AVTNet_YOLT, WithSongLoss, build
from avtnet.classic.scores import summary_line
from avtnet.composed_windows import Rows, Windows, empty_vectors, encoded, read_copies
from avtnet.synthesis.library import read_pieces
from avtnet.synthesis.vectors import VectorComposer
from avtnet.window_files import SETTINGS
from clipping.config import dump, parse, run
from clipping.errors import ClippingError, ConfigError
from clipping.files import require_writable
from clipping.learning import loop
from clipping.learning.checkpoints import versions
from clipping.learning.processes import Devices, Process, launch, world_size
from clipping.learning.progress import Log
from clipping.learning.run_folder import RunFolder
from clipping.learning.training import Plan, Row, Training

PROG = "python -m avtnet.train --composed LIBRARY"
SIZE = "small_dense"
"""Size of networks whose encoders of pictures and text are AVTNetDense's."""
WARM = 60
"""Steps in which the rate climbs, while Adam does not know the gradients' scale."""
MAY_DIFFER = (
    "save_prefix",
    "composed",
    "val_root",
    "copies_folder",
    "threads",
    "resume",
    "overwrite",
)
"""Settings that may change between the parts of one run: where it computes, not what."""


@dataclass(frozen=True)
class ComposedConfig:
    """Train AVTNet, AVTNet2 or AVTNet_YOLT on windows that are composed in each step.

    The networks are of size small_dense, the encoders of pictures and text AVTNetDense's; they are
    kept. The folder of the run (--save_prefix) receives what every training leaves there:
    config.yaml, metrics.csv, a curve, best.safetensors, the weights of each validation
    (epochNNN.safetensors), and last.pt, from which an interrupted run continues exactly (--resume).
    """

    kind: str = "avtnet_yolt"
    """Network to train: avtnet, avtnet2, avtnet_yolt, or one of a plugin that is like them."""
    composed: Path = Path("library")
    """Folder of rendered pieces: of avtnet dense_train --library, or library/ of its run."""
    val_root: Path = Path("val")
    """Folder of windows to validate on, with labels.txt and features/ (avtnet compose)."""
    save_prefix: Path = Path("runs/composed")
    """Folder of the run."""
    copies_folder: Path | None = None
    """Folder of the encoded copies, which other trainings can use; absent: copies/ in the run's."""
    copies: int = 12
    """Copies of every piece, each encoded once."""
    windows: int = 20_000
    """Windows that are shown, none of them twice."""
    validate_every: int = 10_000
    """Windows between two validations."""
    batch_size: int = 32
    """Windows of a step."""
    openings: float = 0.5
    """Share of a batch's windows that are asked for the end of an opening; the others are asked for
    the start of an ending."""
    lr: float = 1e-3
    """Peak learning rate of Adam; up over the first steps, then a cosine."""
    weights: Path | None = None
    """A checkpoint to start from; of a network of another kind all but its head is taken. Absent:
    AVTNetDense's encoders, and the rest is random."""
    frozen: str | None = None
    """Parts besides the encoders of pictures and text that keep their weights, by commas:
    audio.sound …"""
    dropout: float = 0.0
    """Share of the original's dropout. It helps if few windows are seen often; here none is seen
    twice, and dropout only blurs the answer."""
    seed: int = 0
    """Seed of first weights, windows and dropout."""
    threads: int = 1
    """Threads of the processor, for the network."""
    resume: bool = False
    """Go on from last.pt in the run's folder (start again where there is none)."""
    overwrite: bool = False
    """Start again where the run's folder already holds a run."""

    def __post_init__(self) -> None:
        for name in ("copies", "windows", "validate_every", "batch_size", "threads"):
            if not 1 <= getattr(self, name) <= 1_000_000_000:
                raise ConfigError(f"{name} is 1 or more, got {getattr(self, name)}")
        for name in ("openings", "dropout"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is a share from 0 to 1, got {getattr(self, name)}")
        if not 0 < self.lr < 10:
            raise ConfigError(f"lr is above 0 and below 10, got {self.lr}")
        assert self.model  # which knows the kinds
        if self.resume and self.overwrite:
            raise ConfigError("--resume and --overwrite contradict each other")

    @property
    def model(self) -> ModelConfig:
        """The network's settings."""
        return ModelConfig(self.kind, size=SIZE)

    @property
    def steps(self) -> int:
        """Steps of the training."""
        return max(1, self.windows // self.batch_size)


def train_composed(config: ComposedConfig) -> Path:
    """Train; returns the run's folder.

    Raises:
        ClippingError: pieces or windows are missing or damaged, a folder cannot be written, or
            torchrun started several processes.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; last.pt then holds the run as it stood.
    """
    devices = Devices()
    if world_size(devices) > 1:
        raise ConfigError("a training on composed windows runs in one process, without torchrun")
    validated, _ = read_windows(config.val_root)
    if not (files := sorted(config.composed.glob("train-*.safetensors"))):
        raise ClippingError(
            f"{config.composed}: has no train-0000.safetensors: avtnet dense_train renders them"
        )

    def prepare() -> None:
        require_writable(config.save_prefix)
        composed_run_folder(config).open(resume=config.resume, overwrite=config.overwrite)

    launch(partial(_train, config=config, files=files, validated=validated), devices, prepare)
    return config.save_prefix


def composed_run_folder(config: ComposedConfig) -> RunFolder:
    """Return the folder of a training."""
    return RunFolder(config.save_prefix, dump(config), MAY_DIFFER, "--save_prefix")


def _train(
    process: Process, config: ComposedConfig, files: Sequence[Path], validated: Sequence[Window]
) -> None:
    torch.set_num_threads(config.threads)
    run, log = composed_run_folder(config), Log(process, config.save_prefix)
    state = run.read(loop.State) if config.resume else None
    torch.manual_seed(config.seed)
    network = build(config.model).eval()
    log.say(first_weights(network, _start(config)))
    soften(network, config.dropout)
    pieces = [piece for path in files for piece in read_pieces(path)]
    folder = config.copies_folder or config.save_prefix / "copies"
    copies = read_copies(folder, network, pieces, config.copies)
    composer = VectorComposer(copies, config.seed)
    windows = Windows(composer, empty_vectors(network), config.openings)
    training = ComposedTraining(process, config, network, windows, validated)
    loop.fit(training, composed_plan(config), run=run, log=log, state=state)


def _start(config: ComposedConfig) -> TrainConfig:
    """Return the settings that say where first weights come from."""
    first = config.weights
    if first is not None and checkpoints.read_info(first).model == config.model:
        return TrainConfig(model=config.model, weights=first)
    return TrainConfig(model=config.model, pretrained=str(first or "shipped"))


def composed_plan(config: ComposedConfig) -> Plan:
    """Return the course of a training: validations evenly over its steps, one at the end."""
    steps = config.steps
    count = min(steps, max(1, round(config.windows / config.validate_every)))
    return Plan(
        marks=tuple(round(steps * part / count) for part in range(1, count + 1)),
        counted="epoch",
        best="score",
        late=0.0,
        seed=config.seed,
        curves=("score", "score_start", "score_end"),
        unit="s",
        lines_every=25,
    )


def soften(network: nn.Module, share: float) -> None:
    """Let dropout leave out that share of what it does."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p *= share
        elif isinstance(module, nn.GRU):
            module.dropout *= share


class ComposedTraining(Training):
    """Composed windows, and a network of which the encoders of pictures and text are passed by."""

    def __init__(
        self,
        process: Process,
        config: ComposedConfig,
        network: AVTNet | AVTNet_YOLT,
        windows: Windows,
        validated: Sequence[Window],
    ) -> None:
        super().__init__(process)
        self.config, self.windows, self.validated = config, windows, list(validated)
        self.inner, self.network = network, WithSongLoss(network)
        names = [name.strip() for name in config.frozen.split(",")] if config.frozen else []
        self.still = [part_of(network, name) for name in ("video.frames", "video.text", *names)]
        for part in self.still:
            part.requires_grad_(False)
        self._next = 0
        self._figures: dict[str, float] = {}

    def batches(self, first: int) -> Generator[Rows, None, None]:
        # Examples without a boundary are passed over: where a batch begins depends on all before.
        following = self._next
        while True:
            rows = self.windows.compose(self.config.batch_size, following)
            following = rows.next
            yield rows

    def loss(self, forward: Callable[..., Any], batch: Rows) -> Tensor:
        self._next = batch.next
        inputs = self.windows.changed(batch)
        with encoded(self.inner.video):
            out = forward(*inputs)
        terms = loss_terms(out, batch.target, self.config.model, 1.0)
        return mean_loss([*terms, song_term(out.song, batch.song, 1.0)])

    def optimizer(self) -> torch.optim.Optimizer:
        moving = [each for each in self.network.parameters() if each.requires_grad]
        return torch.optim.Adam(moving, lr=self.config.lr)

    def rate(self, step: int) -> float:
        steps = self.config.steps
        share = min(1.0, (step + 1) / WARM) * 0.5 * (1 + math.cos(math.pi * step / steps))
        return self.config.lr * share

    def seed(self, step: int) -> int:
        return self.config.seed * 1_000_003 + step

    def train_mode(self) -> None:
        self.network.train()
        for part in self.still:
            part.eval()

    def validate(self, network: nn.Module) -> dict[str, float]:
        checkpoint = Checkpoint(self.config.save_prefix, without_song_loss(network), self._info())
        self._figures = validated_by(self.process, checkpoint, self.validated)
        return self._figures

    def write(self, path: Path, network: nn.Module, row: Row) -> None:
        info = replace(
            self._info(),
            epoch=int(row["epoch"]),
            metrics={name: float(value) for name, value in self._figures.items()},
            training=dump(self.config),
            trained_on="windows composed of made-up pieces (avtnet train --composed)",
            versions=versions(),
        )
        checkpoints.save(path, without_song_loss(network), info)

    def summary(self, row: Row) -> str:
        return f"loss {row['train_loss']:.1f} s, {summary_line(row)}"

    def state(self) -> dict[str, Any]:
        return {"next": self._next}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._next = int(state["next"])

    def _info(self) -> CheckpointInfo:
        return CheckpointInfo(self.config.model, False, SETTINGS, reverse_ends=True)


def main(argv: Sequence[str]) -> int:
    """``python -m avtnet.train --composed LIBRARY``."""
    config = parse(ComposedConfig, argv, prog=PROG)

    def command() -> None:
        train_composed(config)

    return run(command, PROG)
