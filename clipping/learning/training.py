"""The contract between one training and the loop that runs it.

A training is a class with its data, network, loss and optimizer; the loop
(:func:`clipping.learning.loop.fit`) does the rest. The smallest one::

    class Recognition(Training):
        def __init__(self, config, process):
            super().__init__(process)
            self.config = config
            torch.manual_seed(config.seed)
            self.network = Network(config.model)

        def batches(self, first):
            for step in range(first, self.config.steps):
                yield read(step, self.process)

        def loss(self, forward, batch):
            return cross_entropy(forward(batch.pictures), batch.labels)

        def optimizer(self):
            return torch.optim.AdamW(self.network.parameters())

        def rate(self, step):
            return warm_cosine(1e-3, step, warm=100, total=self.config.steps)

    def work(process, config):
        task = Recognition(config, process)
        fit(task, Plan(marks_every(500, config.steps)), run=folder_of(config))

    def train(config):
        launch(partial(work, config=config), Devices(), folder_of(config).open)

where ``folder_of`` returns a :class:`clipping.learning.run_folder.RunFolder`. What is validated and
written, and when, is said by ``validate``, ``write`` and the :class:`Plan`.

Two laws make an interrupted training equal to an uninterrupted one, bit for bit: the batch of step
n depends only on n and the seed, and whatever is drawn from torch's generator in a step is drawn in
``loss``, before which the loop seeds it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer

from clipping.errors import ConfigError
from clipping.learning.processes import Process

Row = Mapping[str, float]
"""Figures of a validation, by name."""


@dataclass(frozen=True)
class Plan:
    """The course of a training: how many steps, when it validates, what it keeps.

    A step is one batch forwards and backwards; an update moves the weights.
    """

    marks: tuple[int, ...]
    """Steps after which it validates, ascending; the last one is the training's last step."""
    counted: Literal["epoch", "step"] = "step"
    """Name of a mark in rows and files: its number (epoch 0, 1, …), or the steps done by then."""
    accumulation: int = 1
    """Batches whose gradients are added up before an update. At a mark there is always one."""
    clip_norm: float | None = None
    """Largest norm of the gradients at an update; None: they are not clipped."""
    mixed: bool = False
    """Mixed precision: bfloat16 on CPUs, float16 on GPUs."""
    averaging: float = 0.0
    """Share of the averaged weights that an update keeps. Above 0 the averaged network is what is
    validated and written; at 0 it is the trained one."""
    at_start: bool = False
    """Validate before the first step, too: as step 0, of which nothing is written but figures."""
    best: str = ""
    """Figure by which best.safetensors is chosen; empty: there is none."""
    higher: bool = False
    """A higher figure is the better one."""
    late: float = 1.1
    """Share of the marks after which each mark's weights are kept (epochNNN.safetensors); 0: from
    the first on; above 1: none."""
    latest: str = ""
    """File that holds the weights of the last mark; empty: there is none."""
    patience: int = 0
    """Marks without a better figure after which the training ends; 0: it goes on to the end."""
    seed: int = 0
    """Seed of what is drawn in the steps."""
    curves: tuple[str, ...] = ()
    """Figures drawn next to the training loss in curve.png; by default ``best``."""
    unit: str = ""
    """Unit of loss and figures, for people."""
    lines_every: int = 0
    """Steps between two lines about the loss where no terminal shows a bar; 0: none."""

    def __post_init__(self) -> None:
        if not self.marks or any(
            late <= early for early, late in zip((0, *self.marks), self.marks, strict=False)
        ):
            raise ConfigError(f"a training validates after 1 step or more, ascending: {self.marks}")
        if self.accumulation < 1 or not 0 <= self.averaging < 1:
            raise ConfigError(
                f"accumulation is 1 or more, averaging from 0 to below 1: {self.accumulation}, "
                f"{self.averaging}"
            )

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.marks[-1]


def marks_every(every: int, steps: int) -> tuple[int, ...]:
    """Return the marks of a training that validates every so many steps, and at its end."""
    return (*range(every, steps, every), steps)


class Training(ABC):
    """One training; made again in each of its processes."""

    network: nn.Module
    """The trained network, and all that is trained with it; the loop moves it to the device."""

    def __init__(self, process: Process) -> None:
        self.process = process

    @abstractmethod
    def batches(self, first: int) -> Generator[Any, None, None]:
        """Yield this process's share of the batches of step ``first`` and later ones.

        They may be read ahead; the generator is closed where the training ends. ``batch_size`` of a
        training is that of all processes together.
        """

    @abstractmethod
    def loss(self, forward: Callable[..., Any], batch: Any) -> Tensor:
        """Return the loss of a batch, a scalar with a gradient.

        Args:
            forward: calls the network, shared with the other processes, in the plan's precision.
            batch: as ``batches`` yields it; moving it to ``self.process.device`` is done here.

        The mean over all processes is the loss of the batch they share.
        """

    @abstractmethod
    def optimizer(self) -> Optimizer:
        """Return an optimizer of the network's parameters."""

    @abstractmethod
    def rate(self, step: int) -> float:
        """Return the learning rate after so many steps."""

    def seed(self, step: int) -> int | None:
        """Return the seed of what is drawn in a step; by default seed, step and rank decide it."""
        return None

    def train_mode(self) -> None:
        """Put the network into training mode; parts that do not train stay in evaluation mode."""
        self.network.train()

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Return the figures of a network in evaluation mode; the same ones in every process.

        It is called in every process: ``self.process.share`` and ``gather`` divide the work.
        """
        return {}

    def write(self, path: Path, network: nn.Module, row: Row) -> None:
        """Write a checkpoint; called by rank 0 alone."""
        raise NotImplementedError("this training keeps no checkpoint: leave out best and late")

    def after_validation(  # noqa: B027 - most trainings need nothing here
        self, network: nn.Module, row: Row, *, better: bool
    ) -> None:
        """Take note of a validation; ``better`` is True if it is the best one so far."""

    def summary(self, row: Row) -> str:
        """Return a validation's figures as a line for people."""
        said = (f"{name} {value:.4g}" for name, value in row.items() if name not in ("epoch", "lr"))
        return ", ".join(said)

    def state(self) -> dict[str, Any]:
        """Return tensors and plain values that going on exactly needs besides weights and step."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:  # noqa: B027 - the pair of state()
        """Go on from what :meth:`state` returned."""


def step_seed(seed: int, step: int, rank: int) -> int:
    """Return a seed for torch's generator that differs by seed, step and rank."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1)[0])
