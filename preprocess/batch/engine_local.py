"""The engine for one machine: a crew of processes, or this process alone."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager

from clipping.many.workers import Died, available_cores, run_tasks
from preprocess.batch.dashboard import Crew
from preprocess.batch.tasks import Result, Task, make, split_tail

Run = Callable[[Sequence[Task]], Generator[tuple[Task, Result | Died]]]
"""What an engine is: tasks in, each with its result as soon as it is there."""


@contextmanager
def start(
    workers: int | None, limit_s: float | None, watch: Callable[[Crew], None]
) -> Iterator[Run]:
    """An engine of ``workers`` processes (None: one a core; 0: this process).

    Args:
        limit_s: seconds that a task may take before its process is ended; None: any time.
        watch: is told who is at work.
    """

    def alone(tasks: Sequence[Task]) -> Generator[tuple[Task, Result | Died]]:
        yield from ((task, make(task)) for task in tasks)

    def together(tasks: Sequence[Task]) -> Generator[tuple[Task, Result | Died]]:
        parts = split_tail(tasks, count)
        watch(Crew(1, count, min(count, len(parts))))
        with closing(run_tasks(make, parts, count, limit_s)) as results:
            for done, (task, result) in enumerate(results, 1):
                watch(Crew(1, count, min(count, len(parts) - done)))
                yield task, result

    count = available_cores() if workers is None else workers
    yield together if count else alone
