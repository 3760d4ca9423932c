"""A network in an ONNX file, opened with onnxruntime: on the CPU, or where the runtime is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from clipping.errors import ClippingError

# TF32 would round the factors of products to 10 bits.
_PROVIDERS: dict[str, tuple[str, dict[str, str]]] = {
    "cpu": ("CPUExecutionProvider", {}),
    "cuda": ("CUDAExecutionProvider", {"use_tf32": "0"}),
    "coreml": ("CoreMLExecutionProvider", {}),
}


def open_session(
    model: Path | bytes, runtime: str = "cpu", *, threads: int | None = 1, arena: bool = True
) -> Any:
    """Return an ``onnxruntime.InferenceSession``.

    Args:
        model: an ONNX file, or what is in one.
        runtime: cpu, cuda, coreml, or auto: a GPU if the installed onnxruntime has one.
        threads: of one call on the CPU; None: see :func:`usual_threads`.
        arena: keep the memory of one call for the next, which is quicker where calls are short and
            many; else it is given back.

    Raises:
        ClippingError: where the file is damaged, or the installed onnxruntime cannot do that.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usual_threads() if threads is None else threads
    options.inter_op_num_threads = 1
    # Threads that wait in a loop would take a core from the processes that decode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = arena
    options.log_severity_level = 3  # errors
    there = onnxruntime.get_available_providers()
    if runtime == "auto":
        runtime = "cuda" if _PROVIDERS["cuda"][0] in there else "cpu"
    provider, how = _PROVIDERS[runtime]
    if provider not in there:
        raise ClippingError(
            f"the installed onnxruntime has no {provider}, only {', '.join(there)}; install "
            "one that has it (onnxruntime-gpu for cuda), or choose --features.ppocr.runtime cpu"
        )
    providers = list(dict.fromkeys([provider, "CPUExecutionProvider"]))
    settings = [how if name == provider else {} for name in providers]
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers, settings)
    except _damage() as error:
        name = "the model" if isinstance(model, bytes) else model
        raise ClippingError(f"{name}: no ONNX file, or damaged: {error}") from error


def _damage() -> tuple[type[Exception], ...]:
    """Return what onnxruntime raises for a file that it cannot read; its errors share no base."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile")
    return tuple(getattr(state, name) for name in (*names, "NotImplemented", "RuntimeException"))


def usual_threads() -> int:
    """Return OMP_NUM_THREADS where it is set, else the number of cores this process may use."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if first.isascii() and first.isdecimal() and int(first) > 0:
        return int(first)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
