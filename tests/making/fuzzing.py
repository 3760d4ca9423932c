"""Damage files by a seed, read each in a process of its own, and see what became of it.

Nothing but a ClippingError is right for a damaged file: another exception, a process that dies or
hangs, and memory beyond bounds are findings. A finding is written next to a line that says
which source and seed made it.
"""

from __future__ import annotations

import json
import os
import resource
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clipping.errors import ClippingError
from clipping.many.processes import Local
from clipping.many.run_many import run_many

HEAD = 2048
"""Bytes at the beginning of a file that hold most of what a reader must believe."""
PEAK_BYTES = 900 << 20
"""What reading one damaged file may take at most, the process itself (about 100 MB) included."""
MOST_BYTES = 8 << 30
"""What a process may ask for before the system says no, so that a finding is no lost machine."""
LIMIT_S = 60.0
"""Wall seconds for one file of a few kilobytes; on an idle machine most take 0.05 s."""

_NUMBERS = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**24, 2**31 - 1, 2**31, 2**32 - 1]
_LONG_NUMBERS = [*_NUMBERS, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1]


@dataclass(frozen=True)
class Damaged:
    """A file to be made from another one, and the folder in which it stands while it is read."""

    source: Path
    seed: int
    folder: Path
    read: Callable[[Path], object]
    """Of a module's top level: what reads it."""

    def content(self) -> bytes:
        """The same bytes for the same source and seed."""
        random = np.random.default_rng(self.seed)
        data = bytearray(self.source.read_bytes())
        if random.random() < 0.3 and data[8:9] == b"{":
            return bytes(_edit_json(data, random))
        for _ in range(int(random.choice([1, 1, 1, 2, 4, 16]))):
            hit = _DAMAGES[int(random.integers(len(_DAMAGES)))]
            data = hit(data, random)
        return bytes(data)


@dataclass(frozen=True)
class Reading:
    """What became of reading a file."""

    refused: str | None
    """The message of the ClippingError; None where it was read."""
    wrong: str | None
    """What must not happen, with its traceback; None where nothing of that did."""
    peak_bytes: int
    """The most memory that the process held, all that it had loaded before included."""


def watch(path: Path, read: Callable[[Path], object]) -> Reading:
    """Read a file in this process, of a crew that may lose it."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    _forget_peak()
    refused = wrong = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read(path)
    except ClippingError as error:
        refused = str(error)
        if str(path) not in refused:
            wrong = f"the error does not name the file: {error}"
    except Exception:  # any other one is what we look for, and it is told
        wrong = traceback.format_exc()
    return Reading(refused, wrong, _peak())


def findings(damaged: Sequence[Damaged], kept: Path, workers: int = 2) -> list[str]:
    """A line for each file that was neither read nor refused as it should be; it is in ``kept``."""
    lines = []
    for outcome in run_many(_outcome, damaged, engine=Local(workers), limit_s=LIMIT_S):
        file, what = outcome.item, outcome.error or outcome.result
        if what is None:
            continue
        kept.mkdir(parents=True, exist_ok=True)
        path = kept / f"{file.source.stem}-{file.seed}{file.source.suffix}"
        path.write_bytes(file.content())
        lines.append(f"{path} ({file.source.name}, seed {file.seed}): {what}")
        print(lines[-1], flush=True)
    return lines


def _outcome(file: Damaged) -> str | None:
    """What is wrong with how the file was read; None where nothing is."""
    path = file.folder / f"{os.getpid()}{file.source.suffix}"
    path.write_bytes(file.content())
    reading = watch(path, file.read)
    if reading.wrong is None and reading.peak_bytes > PEAK_BYTES:
        return f"took {reading.peak_bytes >> 20} MB"
    return reading.wrong


def _forget_peak() -> None:
    """Let the kernel count the highest memory use again; elsewhere than on Linux it counts on."""
    if os.access("/proc/self/clear_refs", os.W_OK):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """The highest memory use in bytes since then."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def _place(data: bytearray, random: np.random.Generator) -> int:
    """Mostly in the head, where the structure is; often in the tail, where indexes are."""
    size = max(1, len(data))
    reach = (min(HEAD, size), size, min(HEAD, size))[int(random.integers(3))]
    position = int(random.integers(reach))
    return size - 1 - position if random.random() < 0.25 else position


def _flip_bit(data: bytearray, random: np.random.Generator) -> bytearray:
    if data:
        data[_place(data, random)] ^= 1 << int(random.integers(8))
    return data


def _set_byte(data: bytearray, random: np.random.Generator) -> bytearray:
    if data:
        data[_place(data, random)] = int(random.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF]))
    return data


def _set_number(data: bytearray, random: np.random.Generator) -> bytearray:
    width = int(random.choice([2, 4, 8]))
    number = int(_LONG_NUMBERS[int(random.integers(len(_LONG_NUMBERS)))]) % (1 << 8 * width)
    at = _place(data, random)
    order = "big" if random.random() < 0.5 else "little"
    data[at : at + width] = number.to_bytes(width, order)
    return data


def _noise(data: bytearray, random: np.random.Generator) -> bytearray:
    at, length = _place(data, random), int(random.integers(1, 64))
    data[at : at + length] = random.bytes(length)
    return data


def _cut_out(data: bytearray, random: np.random.Generator) -> bytearray:
    at = _place(data, random)
    del data[at : at + int(random.integers(1, 256))]
    return data


def _repeat(data: bytearray, random: np.random.Generator) -> bytearray:
    at = _place(data, random)
    piece = data[at : at + int(random.integers(1, 512))]
    data[at:at] = piece * int(random.choice([1, 1, 2, 50]))
    return data


def _exchange(data: bytearray, random: np.random.Generator) -> bytearray:
    length = int(random.integers(1, 128))
    one, other = _place(data, random), _place(data, random)
    one_piece, other_piece = data[one : one + length], data[other : other + length]
    data[one : one + length] = other_piece
    data[other : other + length] = one_piece
    return data


def _cut_off(data: bytearray, random: np.random.Generator) -> bytearray:
    return data[: _place(data, random)]


def _edit_json(data: bytearray, random: np.random.Generator) -> bytearray:
    """Put a hostile value into the JSON header of a safetensors file, else flip a bit."""
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + length])
        about = json.loads(header["__metadata__"]["about"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return _flip_bit(data, random)
    tree = about if random.random() < 0.6 else header
    _edit(tree, random)
    if isinstance(header.get("__metadata__"), dict) and tree is about:
        header["__metadata__"]["about"] = json.dumps(about)
    text = json.dumps(header).encode()
    return bytearray(len(text).to_bytes(8, "little") + text + data[8 + length :])


_HOSTILE = [
    *(None, True, "", "x", "\ud800", "../..", "1", 0, 1, -1, 2**31, 2**63, 2**64, 10**400),
    *(0.5, -0.0, 1e308, float("nan"), float("inf"), [], [1], [[]], {}, {"x": 1}, "9" * 5000),
    "[" * 5000,
]


def _edit(tree: object, random: np.random.Generator) -> None:
    """Walk down a random way and change what stands at its end."""
    while isinstance(tree, dict | list) and tree:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        key = keys[int(random.integers(len(keys)))]
        below = tree[key]
        if isinstance(below, dict | list) and below and random.random() < 0.85:
            tree = below
            continue
        if random.random() < 0.15:
            del tree[key]
        else:
            tree[key] = _HOSTILE[int(random.integers(len(_HOSTILE)))]
        return


_DAMAGES = (
    *(_flip_bit, _set_byte, _set_byte, _set_number, _set_number, _set_number, _noise),
    *(_cut_out, _repeat, _exchange, _cut_off, _edit_json, _edit_json),
)
