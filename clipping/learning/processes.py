"""The processes of a training: one, several that are started here, or those that torchrun started.

A training runs ``work(process)`` in each of them. They form torch's default process group, by gloo
on CPUs and nccl on GPUs; the process of rank 0 writes the run's folder and talks to the terminal.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed
from torch.multiprocessing.spawn import (
    ProcessExitedException,
    ProcessRaisedException,
    start_processes,
)

from clipping.errors import ClippingError, ConfigError
from clipping.learning.devices import find_device
from clipping.learning.stopping import stop_on_signals

Item = TypeVar("Item")
CPU = torch.device("cpu")
PATIENCE = timedelta(minutes=30)
"""Longest time that a process waits for another one, which may be validating."""
LEAVE = timedelta(seconds=60)
"""Longest time that a process that is done waits for the others."""
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Process:
    """One of the processes that share a training; by default the only one, on the CPU."""

    rank: int = 0
    """Number of this process among all processes of all machines."""
    ranks: int = 1
    """Processes in all."""
    device: torch.device = CPU
    """Device that this process computes on."""

    @property
    def first(self) -> bool:
        """True in the one process that writes and talks."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return the items that fall to this process; shares differ by one item at most."""
        return items[self.rank :: self.ranks]

    def mean(self, value: Tensor) -> float:
        """Return the mean of a scalar over all processes."""
        if self.ranks > 1:
            value = value.clone()
            distributed.all_reduce(value)
            value = value / self.ranks
        return float(value)

    def any(self, flag: bool) -> bool:
        """Return True in every process if the flag is set in at least one."""
        if self.ranks == 1:
            return flag
        shared = torch.tensor(float(flag), device=self.device)
        distributed.all_reduce(shared)
        return bool(shared > 0)

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes, by rank; values are pickled on the way."""
        if self.ranks == 1:
            return [value]
        values: list[Any] = [None] * self.ranks
        distributed.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Return when all processes have come here."""
        self.any(False)


@dataclass(frozen=True)
class Devices:
    """The devices of a training, and how its processes talk to each other."""

    gpus: tuple[int, ...] | None = None
    """Numbers of this machine's GPUs, one process each; None: the CPU."""
    processes: int = 1
    """Processes on the CPU; ignored with GPUs, and under torchrun, which has its own number."""
    backend: str | None = None
    """nccl (GPUs only) or gloo; None: nccl on GPUs, gloo on CPUs."""

    other: torch.device | None = None
    """A device of another kind (mps), for one process."""

    def __post_init__(self) -> None:
        if self.backend == "nccl" and self.gpus is None:
            raise ConfigError("--backend nccl is for GPUs: name them (--gpus), or take gloo")
        seen = torch.cuda.device_count() if self.gpus is not None else 0
        if self.gpus is not None and (not self.gpus or max(self.gpus) >= seen):
            named = ",".join(map(str, self.gpus)) or "all"
            raise ConfigError(f"--gpus {named}: torch sees {seen} GPUs; leave it out for the CPU")

    @property
    def count(self) -> int:
        """Processes to start on this machine."""
        return self.processes if self.gpus is None else len(self.gpus)

    def device(self, local_rank: int) -> torch.device:
        """Return the device of a process by its number on this machine.

        Raises:
            ConfigError: there are fewer GPUs than processes.
        """
        if self.gpus is None:
            return self.other or CPU
        if local_rank >= len(self.gpus):
            raise ConfigError(
                f"process {local_rank} of this machine has no GPU: --gpus names {len(self.gpus)}; "
                "start as many processes (torchrun --nproc-per-node)"
            )
        return torch.device("cuda", self.gpus[local_rank])

    def join_group(self, local_rank: int, **where: Any) -> Process:
        """Join torch's default process group; ``where`` is how the others are found."""
        device = self.device(local_rank)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        backend = self.backend or ("nccl" if device.type == "cuda" else "gloo")
        distributed.init_process_group(backend, timeout=PATIENCE, **where)
        return Process(distributed.get_rank(), distributed.get_world_size(), device)


def devices_named(name: str, processes: int, backend: str | None) -> Devices:
    """Return the devices of a training by one name (:func:`find_device`).

    ``cuda`` is one GPU; under torchrun it is all of this machine, one a process.

    Raises:
        ConfigError: the device is not there, or several processes were asked for on one GPU.
    """
    device = find_device(name)
    if device.type != "cpu" and processes > 1:
        raise ConfigError("--processes is for the CPU: GPUs are shared under torchrun")
    if device.type != "cuda":
        return Devices(None, processes, backend, None if device.type == "cpu" else device)
    every = under_torchrun() and device.index is None
    gpus = range(torch.cuda.device_count()) if every else (device.index or 0,)
    return Devices(tuple(gpus), 1, backend)


def under_torchrun() -> bool:
    """Return True if this process is one of several that torchrun, or the like, started."""
    return all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))


def is_main_process() -> bool:
    """Return True unless this is one of torchrun's processes of another rank than 0."""
    return not under_torchrun() or os.environ["RANK"] == "0"


def world_size(devices: Devices) -> int:
    """Return the number of processes that :func:`launch` will run work in, on all machines."""
    return int(os.environ["WORLD_SIZE"]) if under_torchrun() else devices.count


def launch(work: Callable[[Process], None], devices: Devices, prepare: Callable[[], None]) -> None:
    """Call ``prepare`` once, by rank 0, then ``work`` in every process.

    Args:
        work: pickled for spawned processes: a function of a module, or a partial of one.

    Raises:
        ClippingError: raised by ``prepare`` or by ``work`` in any process.
        KeyboardInterrupt: a process was asked to stop (Ctrl-C, SIGTERM).
    """
    if under_torchrun():
        process = devices.join_group(int(os.environ.get("LOCAL_RANK", "0")))
        try:
            _prepare_together(process, prepare)
            work(process)
            _leave_together(process)
        finally:
            distributed.destroy_process_group()
        return
    prepare()
    if devices.count == 1:
        work(Process(device=devices.device(0)))
        return
    _spawn(work, devices)


def _prepare_together(process: Process, prepare: Callable[[], None]) -> None:
    """Let rank 0 prepare; what it raises ends all processes."""
    error: list[str | None] = [None]
    if process.first:
        try:
            prepare()
        except ClippingError as refused:
            error = [str(refused)]
    distributed.broadcast_object_list(error)
    if error[0] is not None:
        raise ClippingError(error[0])


def _leave_together(process: Process) -> None:
    """Wait until all processes are done, by their store.

    A process that closes gloo's connections while another one still reads the end of their last
    exchange makes it fail; an exchange to prevent that would have the same end.
    """
    store = distributed.distributed_c10d._get_default_store()
    store.set(f"done/{process.rank}", "1")
    # An error means that one of them was ended: there is nobody to wait for.
    with suppress(RuntimeError):
        store.wait([f"done/{rank}" for rank in range(process.ranks)], LEAVE)


def _spawn(work: Callable[[Process], None], devices: Devices) -> None:
    """Start the processes of this machine; wait for all, and pass a signal on to them."""
    outcomes = torch.multiprocessing.get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="training-") as folder, stop_on_signals() as stop:
        args = (work, devices, f"file://{folder}/meeting", outcomes)
        # Spawned, not run again from the command line: a training is for programs too.
        context = start_processes(_spawned, args, devices.count, join=False, start_method="spawn")
        assert context is not None
        asked = False
        try:
            while not context.join(timeout=POLL_SECONDS):
                if stop.is_set() and not asked:
                    asked = True
                    for process in context.processes:
                        process.terminate()
        except (ProcessExitedException, ProcessRaisedException):
            while not outcomes.empty():
                kind, message = outcomes.get()
                if kind == "error":
                    raise ClippingError(message) from None
            raise
        if not outcomes.empty():
            raise KeyboardInterrupt


def _spawned(
    local_rank: int,
    work: Callable[[Process], None],
    devices: Devices,
    meeting: str,
    outcomes: Any,
) -> None:
    if "OMP_NUM_THREADS" not in os.environ and devices.gpus is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        torch.set_num_threads(max(1, (cores or 1) // devices.count))
    process = devices.join_group(
        local_rank, init_method=meeting, rank=local_rank, world_size=devices.count
    )
    try:
        work(process)
        _leave_together(process)
    except ClippingError as error:
        outcomes.put(("error", str(error)))
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        # All processes leave the loop at the same step; ending well lets the others finish.
        outcomes.put(("interrupted", ""))
        _leave_together(process)
    finally:
        distributed.destroy_process_group()
