"""The training loop: steps, validations, checkpoints, and an exact way back in."""

from __future__ import annotations

import copy
import math
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from clipping.errors import CheckpointError, ClippingError
from clipping.learning.averaging import blend, kept_share
from clipping.learning.loading import Waiting
from clipping.learning.precision import Precision
from clipping.learning.processes import Process
from clipping.learning.progress import Log, progress_bar
from clipping.learning.run_folder import RunFolder, TensorBoard, draw_curve, write_metrics
from clipping.learning.stopping import stop_on_signals
from clipping.learning.sync_norm import synchronize
from clipping.learning.training import Plan, Training, step_seed

SAVE_SECONDS = 600.0
"""Age that last.pt may reach between two marks."""


@dataclass
class State:
    """Everything that an exact continuation needs besides the settings: last.pt."""

    network: dict[str, Any]
    optimizer: dict[str, Any]
    scaler: dict[str, Any] = field(default_factory=dict)
    average: dict[str, Any] | None = None
    """Averaged weights, if there are any."""
    step: int = 0
    """Steps that are done."""
    updates: int = 0
    """Updates that are done."""
    loss_sum: float = 0.0
    """Sum of the losses since the last mark."""
    rows: list[dict[str, float]] = field(default_factory=list)
    """Figures of the marks that are done."""
    task: dict[str, Any] = field(default_factory=dict)
    """The state that the training adds (:meth:`Training.state`)."""

    def __post_init__(self) -> None:
        if not all(isinstance(each, dict) for each in (self.network, self.optimizer, self.scaler)):
            raise ValueError("its weights are no tables")
        if min(self.step, self.updates) < 0:
            raise ValueError(f"step {self.step}, update {self.updates}")


def fit(
    training: Training,
    plan: Plan,
    *,
    process: Process | None = None,
    run: RunFolder | None = None,
    log: Log | None = None,
    state: State | None = None,
) -> Loop:
    """Train from the first step, or from ``state``, to the last one; returns the ended loop.

    Called in each process of the training (:func:`clipping.learning.processes.launch`).

    Args:
        run: the folder that receives checkpoints, figures and last.pt; None: nothing is written.
        state: as :meth:`RunFolder.read` returns it.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM came in any process; last.pt was written before.
        ClippingError: the loss became infinite or not a number.
    """
    process = process or training.process
    with stop_on_signals() as stop:
        loop = Loop(training, plan, process, run, log or Log(process), state)
        loop.run(stop)
    loop.close()
    return loop


class Loop:
    """A training on its way: weights, optimizer, and the step it is at."""

    def __init__(
        self,
        training: Training,
        plan: Plan,
        process: Process,
        run: RunFolder | None,
        log: Log,
        state: State | None,
    ) -> None:
        self.training, self.plan, self.process, self.run_folder, self.log = (
            training,
            plan,
            process,
            run,
            log,
        )
        steps = process.gather(None if state is None else state.step)
        if len(set(steps)) > 1:
            raise ClippingError(
                f"the processes do not find the same last.pt (steps by rank: {steps}): the run's "
                "folder must lie on a disk that all machines share"
            )
        if state is not None:
            # First of all: what is made from the network below (the copy for averaged weights, the
            # copies of other processes) must start from the restored weights. The optimizer's state
            # comes after the network is on its device, and goes there too.
            self._restore_network(state)
            log.say(f"going on from {self._place(state.step)}")
        if process.ranks > 1:
            training.network = synchronize(training.network)
        training.network.to(process.device)
        self.average = copy.deepcopy(training.network) if plan.averaging else None
        self.optimizer = training.optimizer()
        self.precision = Precision(process.device, mixed=plan.mixed)
        if state is not None:
            if self.average is not None and state.average is not None:
                self.average.load_state_dict(state.average)
            self.optimizer.load_state_dict(state.optimizer)
            self.precision.load_state_dict(state.scaler)
            training.restore(state.task)
        self.shared = training.network if process.ranks == 1 else self._shared(training.network)
        self.forward = self.precision.forward(self.shared)
        self.step = state.step if state else 0
        self.updates = state.updates if state else 0
        self.loss_sum = state.loss_sum if state else 0.0
        self.rows = list(state.rows) if state else []
        self.saved_at = time.monotonic()
        self.waiting = Waiting()
        writes = process.first and run is not None
        self.board = TensorBoard(run.path, len(self.rows)) if writes and run is not None else None

    def _restore_network(self, state: State) -> None:
        try:
            self.training.network.load_state_dict(state.network)
        except RuntimeError as error:
            where = self.run_folder.path / "last.pt" if self.run_folder else "the state"
            raise CheckpointError(
                f"{where}: holds another network, of another version perhaps; start again with "
                "--overwrite"
            ) from error

    def _shared(self, network: nn.Module) -> nn.Module:
        """The network with gradients averaged over all processes."""
        devices = [self.process.device] if self.process.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=devices)

    @property
    def done(self) -> bool:
        """True when no step is left, or none is worth while (``plan.patience``)."""
        if self.step >= self.plan.steps:
            return True
        if not self.plan.patience or not self.rows:
            return False
        values = [self._figure(row) for row in self.rows]
        return len(values) - 1 - values.index(min(values)) >= self.plan.patience

    def run(self, stop: threading.Event) -> None:
        """Do the steps that are left.

        Raises:
            KeyboardInterrupt: ``stop`` was set in any process; last.pt was written before.
        """
        bar = progress_bar(self.log.console)
        with closing(self.training.batches(self.step)) as batches, bar:
            shown = bar.add_task("", total=self.plan.steps, completed=self.step)
            if self.plan.at_start and not self.rows:
                self._at_mark()
            while not self.done:
                self.training.train_mode()
                self.waiting = Waiting()
                mark = self.plan.marks[bisect_right(self.plan.marks, self.step)]
                while self.step < mark:
                    updated = self._one_step(batches, mark)
                    bar.update(shown, completed=self.step, description=self._describe())
                    self._tell(mark)
                    # Only after an update: last.pt does not hold gradients that are half added up.
                    if updated and self.step < mark:
                        self._between_steps(stop)
                self._at_mark()
                if self.process.any(stop.is_set()) and not self.done:
                    raise KeyboardInterrupt

    def _between_steps(self, stop: threading.Event) -> None:
        # A signal may reach one process a step before the others. All ask each other at the same
        # step, so they stop at the same one; else one would wait for gradients for ever.
        if self.process.any(stop.is_set()):
            self.save()
            self.process.wait()  # until rank 0 has written
            raise KeyboardInterrupt
        if time.monotonic() - self.saved_at > SAVE_SECONDS:
            self.save()

    def _one_step(self, batches: Generator[Any, None, None], mark: int) -> bool:
        """One batch forwards and backwards; returns True if the weights moved."""
        with self.waiting.over():
            batch = next(batches)
        # Random numbers of a step depend only on its number, not on the steps before: a run that
        # continues in the middle draws the same ones (dropout, augmentation) as an unbroken one.
        seed = self.training.seed(self.step)
        if seed is None:
            seed = step_seed(self.plan.seed, self.step, self.process.rank)
        torch.manual_seed(seed)
        rate = self.training.rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.step += 1
        updates = (self.step - self._begun()) % self.plan.accumulation == 0 or self.step == mark
        # Several batches before an update: gradients add up, each divided by the number of batches,
        # and processes exchange them with the last batch only.
        with self._apart(not updates):
            loss = self.training.loss(self.forward, batch)
            self.precision.backward(loss / self.plan.accumulation)
        value = self.process.mean(loss.detach())
        if not math.isfinite(value):
            kept = f"; what {self.run_folder.path} holds is from before" if self.run_folder else ""
            raise ClippingError(
                f"the loss is {value} at {self._place(self.step - 1)}: lower --lr"
                f"{' or leave out mixed precision' if self.plan.mixed else ''}{kept}"
            )
        self.loss_sum += value
        if updates:
            self.precision.update(self.optimizer, self.training.network, self.plan.clip_norm)
            if self.average is not None:
                blend(
                    self.average,
                    self.training.network,
                    kept_share(self.plan.averaging, self.updates),
                )
            self.updates += 1
        return updates

    def _apart(self, apart: bool) -> AbstractContextManager[Any]:
        """The context in which gradients of several batches add up in each process alone."""
        if apart and isinstance(self.shared, nn.parallel.DistributedDataParallel):
            return self.shared.no_sync()
        return nullcontext()

    def _begun(self) -> int:
        """The last mark before the step that is being done, or 0."""
        number = bisect_left(self.plan.marks, self.step)
        return self.plan.marks[number - 1] if number else 0

    def _at_mark(self) -> None:
        """Validate, and keep what is worth keeping."""
        plan, number = self.plan, bisect_left(self.plan.marks, self.step)
        network = self.training.network if self.average is None else self.average
        loss = self.loss_sum / (self.step - self._begun()) if self.step else math.nan
        figures = self.training.validate(network.eval())
        count = number if plan.counted == "epoch" else self.step
        row = {
            plan.counted: count,
            "lr": self.training.rate(self.step),
            "train_loss": loss,
            **figures,
        }
        better = bool(plan.best) and self._figure(row) < min(
            map(self._figure, self.rows), default=math.inf
        )
        share = self.waiting.share
        self.training.after_validation(network, row, better=better)
        if self.step and self.process.first and self.run_folder is not None:
            name = f"epoch{number:03d}" if plan.counted == "epoch" else f"step{self.step:07d}"
            late = number >= plan.late * len(plan.marks)
            wanted = (better * "best.safetensors", late * f"{name}.safetensors", plan.latest)
            for file in filter(None, wanted):
                self.training.write(self.run_folder.path / file, network, row)
        # Of this machine, not of the weights: no checkpoint says it.
        self.rows.append({**row, "waiting": share})
        if self.run_folder is not None and self.board is not None:
            write_metrics(self.run_folder.path, self.rows)
            self.board.add(count, self.rows[-1])
        mark = "  (best)" if better and plan.best else ""
        self.log.say(f"{plan.counted} {count}: {self.training.summary(row)}{mark}")
        self.loss_sum = 0.0
        self.save()

    def _figure(self, row: dict[str, float]) -> float:
        """Return the figure that chooses the best row, lower is better; infinite if missing."""
        value = float(row.get(self.plan.best, math.nan))
        if math.isnan(value):
            return math.inf
        return -value if self.plan.higher else value

    def save(self) -> None:
        """Write last.pt: all that is needed to go on exactly from here."""
        self.saved_at = time.monotonic()
        if self.process.first and self.run_folder is not None:
            self.run_folder.save(
                State(
                    network=self.training.network.state_dict(),
                    optimizer=self.optimizer.state_dict(),
                    scaler=self.precision.state_dict(),
                    average=None if self.average is None else self.average.state_dict(),
                    step=self.step,
                    updates=self.updates,
                    loss_sum=self.loss_sum,
                    rows=self.rows,
                    task=self.training.state(),
                )
            )

    def close(self) -> None:
        """Draw the curve and finish the logs."""
        if self.board is not None and self.run_folder is not None:
            self.board.close()
            curve = draw_curve(self.run_folder.path, self.rows, self.plan)
            self.log.say(f"curve: {curve}")

    def _place(self, step: int) -> str:
        """A step as people count it."""
        if self.plan.counted == "step":
            return f"step {step}"
        number = min(bisect_right(self.plan.marks, step), len(self.plan.marks) - 1)
        return f"epoch {number}, batch {step - (self.plan.marks[number - 1] if number else 0)}"

    def _describe(self) -> str:
        plan, begun = self.plan, self._begun()
        rate = self.optimizer.param_groups[0]["lr"]
        number = bisect_left(plan.marks, self.step)
        where = f"epoch {number}/{len(plan.marks) - 1}  " if plan.counted == "epoch" else ""
        loss = f"loss {self.loss_sum / (self.step - begun):.3g} {plan.unit}".rstrip()
        return f"{where}{loss}  lr {rate:.1e}  waiting {self.waiting.share:.0%}"

    def _tell(self, mark: int) -> None:
        """A line now and then where no terminal shows the bar."""
        every = self.plan.lines_every
        if every and self.step % every == 0 and self.step < mark:
            line = f"step {self.step}/{self.plan.steps}: {self._describe()}"
            if self.log.console.is_terminal:
                self.log.note(line)
            else:
                self.log.say(line)
