"""One function over many items: workers crash, hang, are killed, and take one item with them."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from clipping.errors import ClippingError, ConfigError, StorageError
from clipping.many.outcomes import Outcome, Unfinished
from clipping.many.processes import Local
from clipping.many.quarantine import QuarantineFile
from clipping.many.run_many import run_many

ROOT = Path(__file__).parents[3]


def work(item: str) -> str:
    """Do the work of these tests; it may crash."""
    word, _, path = item.partition(":")
    if word == "crash" or (word == "once" and not _flag(path)):
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "end":
        os.kill(os.getpid(), signal.SIGTERM)
    if word == "raise":
        raise KeyError(item)
    if word == "refuse":
        raise ClippingError("no media")
    if word == "storage" and not _flag(path):
        raise StorageError("no answer")
    if word == "sleep":
        time.sleep(60)
    if word == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    if word == "print":
        print("words that are no answer", flush=True)
        return sys.stdin.read()
    if word == "half":
        return Unfinished("HALF", (("a", "no answer"), ("storage:" + path, "no answer")))
    if word == "pid":
        return str(os.getpid())
    return item.upper()


def _flag(path: str) -> bool:
    """Return True if this was called before."""
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return True
    return False


def no_worker_is_left() -> bool:
    """None of this process's children is one of ours, and none of its threads serves one."""
    names = {thread.name for thread in threading.enumerate()}
    ours = []
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            ours.append(Path(f"/proc/{child}/cmdline").read_bytes())
    return "clipping.many" not in names and not any(b"clipping.many.worker" in one for one in ours)


@pytest.mark.parametrize("workers", [0, 2])
def test_each_item_has_its_result_or_its_error(workers):
    outcomes = {each.item: each for each in run_many(work, ["a", "refuse"], engine=Local(workers))}
    assert outcomes == {
        "a": Outcome("a", "A"),
        "refuse": Outcome("refuse", error="no media"),
    }
    assert list(run_many(work, [], engine=Local(workers))) == []


def test_fewer_workers_than_none_are_refused():
    with pytest.raises(ConfigError, match="0 or more, got -1"):
        Local(-1)


def test_a_process_that_dies_costs_only_its_own_item(capfd):
    items = ["a", "crash", "b", "raise", "end", "c", "d"]
    outcomes = {each.item: each for each in run_many(work, items, engine=Local(2))}
    assert {item: outcomes[item].result for item in "abcd"} == dict(a="A", b="B", c="C", d="D")
    assert outcomes["crash"].error == "the process was ended by SIGSEGV"
    assert outcomes["crash"].quarantined
    assert outcomes["end"].error == "the process was ended by SIGTERM"
    assert "exit code 1" in outcomes["raise"].error
    assert "KeyError: 'raise'" in capfd.readouterr().err
    assert no_worker_is_left()


def test_a_process_that_takes_too_long_is_ended_and_the_crew_goes_on():
    items = ["a", "sleep", "b", "deaf", "c", "crash", "d", "sleep"]
    outcomes = list(run_many(work, items, engine=Local(2), limit_s=2.5, tries=3))
    assert sorted(each.item for each in outcomes) == sorted(items)
    late = [each for each in outcomes if each.item in ("sleep", "deaf")]
    assert [each.error for each in late] == ["took longer than 2.5 s and was ended"] * 3
    assert {each.result for each in outcomes if len(each.item) == 1} == set("ABCD")
    assert no_worker_is_left()


def test_ending_early_ends_the_processes_at_once():
    outcomes = run_many(work, ["a", "sleep", "b"], engine=Local(2))
    assert next(outcomes).result in ("A", "B")
    began = time.monotonic()
    outcomes.close()
    assert time.monotonic() - began < 30, "it does not wait for the item that sleeps for 60 s"
    assert no_worker_is_left()


def test_what_prints_or_reads_disturbs_no_answer(capfd):
    (outcome,) = run_many(work, ["print"], engine=Local(1))
    assert outcome.result == ""
    assert "words that are no answer" in capfd.readouterr().err


@pytest.mark.parametrize("workers", [0, 1])
def test_storage_that_does_not_answer_is_asked_again_behind_all_others(workers, tmp_path):
    items = [f"storage:{tmp_path / 'one'}", "a", "b"]
    outcomes = list(run_many(work, items, engine=Local(workers), tries=2))
    assert [each.item[0] for each in outcomes] == ["a", "b", "s"]
    assert outcomes[-1].attempts == ("no answer",)
    assert outcomes[-1].error is None
    (gone,) = run_many(work, [f"storage:{tmp_path / 'two'}"], engine=Local(workers))
    assert (gone.error, gone.quarantined) == ("no answer", False)


def test_what_a_crash_took_is_tried_again_and_its_reason_is_kept(tmp_path):
    items = [f"once:{tmp_path / 'flag'}", "a"]
    outcomes = list(run_many(work, items, engine=Local(1), tries=2))
    assert [each.result is None for each in outcomes] == [False, False]
    assert outcomes[1].attempts == ("the process was ended by SIGSEGV",)


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_left_of_an_item_is_an_item(workers, tmp_path):
    items = [f"half:{tmp_path / 'flag'}"]
    outcomes = list(run_many(work, items, engine=Local(workers), tries=3))
    assert [each.result for each in outcomes[:2]] == ["HALF", "A"]
    assert outcomes[2].attempts == ("no answer", "no answer")


def test_an_outcome_may_make_further_items_possible_and_they_are_next():
    def then(outcome):
        return [outcome.item + "!"] if outcome.item in "abc" else []

    outcomes = run_many(work, "abc", engine=Local(0), then=then)
    assert [each.item for each in outcomes] == ["a", "a!", "b", "b!", "c", "c!"]


def test_items_are_taken_as_workers_become_free():
    taken = []
    outcomes = run_many(work, map(taken.append, itertools.count()), engine=Local(2))
    outcomes.close()
    numbers = (taken.append(number) or str(number) for number in itertools.count())
    outcomes = run_many(work, numbers, engine=Local(2))
    for _ in range(20):
        next(outcomes)
    outcomes.close()
    assert len(taken) <= 20 + 2 * 5


def test_what_is_known_is_not_worked_on_and_parts_are_tried_apart():
    known = {"b": "known", "crash/2": "was saved"}.get

    def parts(item, reasons):
        return [f"{item}/{number}" for number in (1, 2)]

    outcomes = run_many(work, ["crash", "b"], engine=Local(1), known=known, parts=parts)
    found = {each.item: each for each in outcomes}
    assert found["b"].result == "known"
    assert found["crash/1"].error.startswith("the process was ended by SIGSEGV")
    assert found["crash/2"].result == "was saved"


def test_what_kills_its_workers_is_set_aside_until_it_is_another_thing(tmp_path):
    size = {"crash": 1, "a": 1}

    def aside():
        about = lambda item: {"size": size[item]}  # noqa: E731
        return QuarantineFile(tmp_path / "aside.json", str, about)

    first = list(run_many(work, size, engine=Local(1), tries=2, quarantine=aside()))
    told = "the process was ended by SIGSEGV (2 tries)"
    assert [each.error for each in first] == [None, f"set aside: {told}"]
    again = list(run_many(work, size, engine=Local(1), tries=2, quarantine=aside()))
    assert [each.error for each in again] == [f"set aside by an earlier run: {told}", None]
    size["crash"] = 2
    assert not aside().reasons("crash")
    (tmp_path / "aside.json").write_text("{")
    with pytest.raises(ClippingError, match=r"aside\.json: cannot be read as the list of items"):
        list(run_many(work, size, engine=Local(1), quarantine=aside()))


def test_progress_tells_who_is_at_work():
    told = []
    list(run_many(work, "abc", engine=Local(2), progress=told.append))
    assert max(each.busy for each in told) == 2
    assert {each.workers for each in told} == {2}
    assert (told[-1].busy, told[-1].done) == (0, 2)


def test_a_script_needs_no_guard_and_its_own_functions_are_refused(tmp_path):
    (tmp_path / "mine.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "script.py").write_text(
        "from clipping.errors import ClippingError\n"
        "from clipping.many.processes import Local\n"
        "from clipping.many.run_many import run_many\n"
        "from mine import double\n"
        "def triple(x):\n    return 3 * x\n"
        "print(sorted(each.result for each in run_many(double, [1, 2, 3], engine=Local(2))))\n"
        "try:\n    list(run_many(triple, [1], engine=Local(1)))\n"
        "except ClippingError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[0] == "[2, 4, 6]", done.stderr
    assert "triple is defined in the script that was started" in done.stdout


def test_a_killed_parent_leaves_no_process(tmp_path):
    """A worker in the middle of its item sees its stdin end, and ends."""
    script = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from test_run_many import run_many, work, Local\n"
        "for each in run_many(work, ['pid', 'pid', 'deaf', 'sleep'], engine=Local(2)):\n"
        "    print(each.result, flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(ROOT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        numbers = [int(process.stdout.readline()) for _ in range(2)]
        time.sleep(0.5)
        process.kill()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{number}").exists() for number in numbers):
        assert time.monotonic() < deadline, "a worker lives on"
        time.sleep(0.1)
