"""The training loop: epochs of batches, validation, checkpoints, and an exact way back in."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from avtnet.classic import checkpoints
from avtnet.classic.augment import augmented
from avtnet.classic.checkpoints import Checkpoint, CheckpointInfo
from avtnet.classic.config import TrainConfig
from avtnet.classic.dataset import Batch, EpochBatches, Window, WindowDataset
from avtnet.classic.losses import loss_terms, mean_loss, song_term
from avtnet.classic.model import AVTNet, AVTNet_YOLT, WithSongLoss, build
from avtnet.classic.positions import predict_windows
from avtnet.classic.pretrained import load_pretrained
from avtnet.classic.run import RunState, read_state, save_state
from avtnet.classic.scores import score_windows, summary_line
from clipping.config import dump
from clipping.errors import CheckpointError, ClippingError, ConfigError
from clipping.learning.checkpoints import versions
from clipping.learning.loading import Waiting, read_batches
from clipping.learning.run_folder import TensorBoard, draw_curve, write_metrics
from clipping.learning.sync_norm import synchronize

if TYPE_CHECKING:
    from lightning_fabric import Fabric

SAVE_SECONDS = 600.0
"""How old last.pt may be when a process is killed inside an epoch."""


def fit(
    fabric: Fabric, config: TrainConfig, trained: Sequence[Window], validated: Sequence[Window]
) -> None:
    """Train from the first epoch, or from where the run's last.pt stands, to the last one.

    Runs in each process of ``fabric``; the one of rank 0 writes and talks.
    """
    with stop_on_signals() as stop:
        training = Training(fabric, config, trained, validated)
        for epoch in range(training.epoch, config.max_epoch):
            training.train_epoch(stop)
            training.finish_epoch()
            if training.agree(stop.is_set()) and epoch + 1 < config.max_epoch:
                raise KeyboardInterrupt
    training.close()


class Training:
    """A network in training: its weights, its optimizer, and where in the run it stands."""

    def __init__(
        self,
        fabric: Fabric,
        config: TrainConfig,
        trained: Sequence[Window],
        validated: Sequence[Window],
    ) -> None:
        self.fabric, self.config = fabric, config
        self.validated = list(validated)
        self.data = WindowDataset(trained, reverse_ends=config.reverse_ends)
        self.chief = fabric.global_rank == 0
        self.console = Console(stderr=True, soft_wrap=True, markup=False, quiet=not self.chief)
        state = read_state(config) if config.resume else None

        torch.manual_seed(config.seed)
        network = build(config.model)
        taught = WithSongLoss(network) if config.song_loss else network
        if state is not None:
            try:
                taught.load_state_dict(state.network)
            except RuntimeError as error:
                raise CheckpointError(
                    f"{config.save_prefix / 'last.pt'}: holds another network, of another version "
                    "perhaps; start anew with --overwrite"
                ) from error
            self.console.print(f"going on from epoch {state.epoch}, batch {state.batch}")
        else:
            self.console.print(first_weights(network, config))
        self.taught: nn.Module = synchronize(taught) if fabric.world_size > 1 else taught
        self.network = network
        self.frozen = [part_of(self.network, name) for name in config.frozen_parts]
        for part in self.frozen:
            part.requires_grad_(False)
        adam = torch.optim.Adam(self.taught.parameters(), lr=config.lr)
        self.model, self.optimizer = fabric.setup(self.taught, adam)
        if state is not None:
            self.optimizer.load_state_dict(state.optimizer)
            fabric.strategy.precision.load_state_dict(state.precision)

        self.epoch = state.epoch if state else 0
        self.batch = state.batch if state else 0
        self.loss_sum = state.loss_sum if state else 0.0
        self.rows = list(state.rows) if state else []
        self.saved_at = time.monotonic()
        self.waiting = Waiting()
        self.waited = 0.0
        """Share of the epoch's time, since it began or went on, in which data were waited for."""
        self.board = TensorBoard(config.save_prefix, self.epoch) if self.chief else None

    def train_epoch(self, stop: threading.Event) -> None:
        """The rest of this epoch's batches.

        Raises:
            KeyboardInterrupt: where ``stop`` is set in any process; last.pt is written before.
            ClippingError: where the loss is no number any more.
        """
        batches = EpochBatches(
            len(self.data),
            self.config.batch_size,
            seed=self.config.seed,
            epoch=self.epoch,
            rank=self.fabric.global_rank,
            ranks=self.fabric.world_size,
        )
        total = len(batches)
        batches.start = self.batch
        self.waiting = Waiting()
        reader = read_batches(self.data, batches, self.config.num_workers, self.waiting)
        self.taught.train()
        for part in self.frozen:
            part.eval()  # else its batch norms would go on averaging
        with progress_bar(self.console) as progress, closing(reader) as loaded:
            bar = progress.add_task("", total=total, completed=self.batch)
            for indices, (batch, target) in zip(batches, loaded, strict=True):
                moved = self._step(batch, target, self.data.songs(indices), total)
                progress.update(bar, completed=self.batch, description=self._describe())
                if not moved or self.batch == total:
                    continue
                if self.agree(stop.is_set()):
                    self.save()
                    raise KeyboardInterrupt
                if time.monotonic() - self.saved_at > SAVE_SECONDS:
                    self.save()
        self.waited = self.waiting.share

    def _step(self, batch: Batch, target: Tensor, songs: Tensor, total: int) -> bool:
        """One batch forwards and backwards; True where the weights moved."""
        config, fabric = self.config, self.fabric
        # Dropout depends on the place in the run alone: a resumed run repeats it.
        place = [config.seed, self.epoch, self.batch, fabric.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))
        rate = learning_rate(config, self.epoch + self.batch / total)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.batch += 1
        moves = self.batch % config.accumulation_step == 0 or self.batch == total
        with fabric.no_backward_sync(self.model, enabled=not moves):
            batch = batch.to(fabric.device)
            if config.augment:
                batch = augmented(batch)
            out = self.model(*batch.inputs(if_normal=config.if_normal))
            terms = loss_terms(out, target.to(fabric.device), config.model, config.steps_loss)
            if out.song is not None:
                terms.append(song_term(out.song, songs.to(fabric.device), config.song_loss))
            loss = mean_loss(terms, fabric.world_size)
            fabric.backward(loss / config.accumulation_step)
        seconds = self._mean(loss.detach())
        if not math.isfinite(seconds):
            raise ClippingError(
                f"the loss is {seconds} at epoch {self.epoch}, batch {self.batch}: lower --lr or "
                f"leave out --use_amp; what {config.save_prefix} holds is from before"
            )
        self.loss_sum += seconds
        if moves:
            self.optimizer.step()
            self.optimizer.zero_grad()
        return moves

    def _mean(self, value: Tensor) -> float:
        if self.fabric.world_size > 1:
            torch.distributed.all_reduce(value)
            value = value / self.fabric.world_size
        return float(value)

    def agree(self, flag: bool) -> bool:
        """Whether ``flag`` is set in any process: all must leave the loop at the same place."""
        if self.fabric.world_size == 1:
            return flag
        shared = torch.tensor(float(flag), device=self.fabric.device)
        torch.distributed.all_reduce(shared)
        return bool(shared > 0)

    def finish_epoch(self) -> None:
        """Validate, and keep what is worth keeping."""
        config = self.config
        loss = self.loss_sum / max(1, self.batch)
        positions = self._validate()
        rate = learning_rate(config, self.epoch + 1)
        figures = {"epoch": self.epoch, "lr": rate, "train_loss": loss}
        row = {**figures, **score_windows(self.validated, positions)}
        metrics = {name: float(value) for name, value in row.items()}
        row["waiting"] = self.waited  # of this machine, not of the weights
        best = min((row["score"] for row in self.rows), default=math.inf)
        self.rows.append(row)
        better = row["score"] < best
        if self.chief and self.board is not None:
            info = replace(
                self._info(),
                epoch=self.epoch,
                metrics=metrics,
                training=dump(config),
                versions=versions(),
            )
            if better:
                checkpoints.save(config.save_prefix / "best.safetensors", self.network, info)
            if self.epoch >= config.late_epochs * config.max_epoch:
                late = config.save_prefix / f"epoch{self.epoch:03d}.safetensors"
                checkpoints.save(late, self.network, info)
            write_metrics(config.save_prefix, self.rows)
            self.board.add(row)
        mark = "  (best)" if better else ""
        self.console.print(f"epoch {self.epoch}: loss {loss:.2f} s, {summary_line(row)}{mark}")
        self.epoch, self.batch, self.loss_sum = self.epoch + 1, 0, 0.0
        self.save()

    def _info(self) -> CheckpointInfo:
        """What its windows mean to the network."""
        config = self.config
        return CheckpointInfo(
            config.model, config.if_normal, self.data.settings, config.reverse_ends
        )

    def _validate(self) -> list[float]:
        """Positions in seconds of all validation windows, each process doing its share."""
        rank, ranks = self.fabric.global_rank, self.fabric.world_size
        network: Any = self.network.eval()
        checkpoint = Checkpoint(self.config.save_prefix, network, self._info())
        paths = [window.path for window in self.validated[rank::ranks]]
        positions = predict_windows(checkpoint, paths)
        if ranks == 1:
            return positions
        shares: list[list[float]] = [[] for _ in range(ranks)]
        torch.distributed.all_gather_object(shares, positions)
        return [shares[index % ranks][index // ranks] for index in range(len(self.validated))]

    def save(self) -> None:
        """Write last.pt: all that going on exactly from here needs."""
        self.saved_at = time.monotonic()
        if self.chief:
            state = RunState(
                network=self.taught.state_dict(),
                optimizer=self.optimizer.state_dict(),
                precision=self.fabric.strategy.precision.state_dict(),
                epoch=self.epoch,
                batch=self.batch,
                loss_sum=self.loss_sum,
                rows=self.rows,
            )
            save_state(self.config, state)

    def close(self) -> None:
        """Draw the curve and finish the logs."""
        if self.board is not None:
            self.board.close()
            self.console.print(f"curve: {draw_curve(self.config.save_prefix, self.rows)}")

    def _describe(self) -> str:
        rate = self.optimizer.param_groups[0]["lr"]
        loss = self.loss_sum / self.batch
        epoch = f"epoch {self.epoch}/{self.config.max_epoch - 1}"
        waiting = f"waiting {self.waiting.share:.0%}"
        return f"{epoch}  loss {loss:.2f} s  lr {rate:.1e}  {waiting}"


def first_weights(network: AVTNet | AVTNet_YOLT, config: TrainConfig) -> str:
    """Load what a training starts from, --weights or --pretrained; returns a line that says it.

    Raises:
        CheckpointError, ConfigError: where it cannot be used for this network.
    """
    if config.weights is None:
        return load_pretrained(network, config.pretrained)
    checkpoint = checkpoints.load(config.weights)
    if checkpoint.info.model != config.model:
        raise CheckpointError(
            f"{config.weights}: holds another network ({checkpoint.info.model}) than the one "
            f"to train ({config.model})"
        )
    network.load_state_dict(checkpoint.network.state_dict())
    return f"starting from {config.weights}"


def part_of(network: nn.Module, name: str) -> nn.Module:
    """A part of a network by its name, such as ``video.text``.

    Raises:
        ConfigError: where there is none, naming those that there are.
    """
    parts = {called: part for called, part in network.named_modules() if called}
    if name not in parts:
        known = ", ".join(called for called in parts if called.count(".") < 2)
        raise ConfigError(f"--frozen {name}: this network has no such part; it has {known}")
    return parts[name]


def learning_rate(config: TrainConfig, epochs: float) -> float:
    """The rate after some (fractional) epochs: up from lr/10 in the warm-up, then a cosine."""
    if epochs < config.warmup_epoch:
        return config.lr * (0.1 + 0.9 * epochs / config.warmup_epoch)
    rest = max(1, config.max_epoch - config.warmup_epoch)
    share = min(1.0, (epochs - config.warmup_epoch) / rest)
    return config.lr * 0.5 * (1 + math.cos(math.pi * share))


def progress_bar(console: Console) -> Progress:
    """What is done and how long the rest takes, on terminals only."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that the loop ends between two steps.

    A second Ctrl-C ends it at once. In a thread, where signals cannot be had, it is never set.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
