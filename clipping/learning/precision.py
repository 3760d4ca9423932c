"""Mixed precision: the network computes in 16 bits, its weights and the loss stay in 32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class Precision:
    """Single precision, or mixed: bfloat16 on CPUs; float16 on GPUs, with a scaled loss.

    Gradients of float16 smaller than 6e-8 are lost; the scaler multiplies the loss so that they are
    not, and leaves out an update with infinite ones (Micikevicius et al., Mixed Precision Training,
    2018).
    """

    def __init__(self, device: torch.device, *, mixed: bool) -> None:
        self.device, self.mixed = device, mixed
        self.kind = torch.float16 if device.type == "cuda" else torch.bfloat16
        self.scaler = torch.amp.GradScaler("cuda") if mixed and device.type == "cuda" else None

    def forward(self, network: nn.Module) -> Callable[..., Any]:
        """Return a function that calls the network; tensors of its answer are float32 again."""
        if not self.mixed:
            return network

        def call(*inputs: Any) -> Any:
            given = [cast(each, self.kind) for each in inputs]
            with torch.autocast(self.device.type, dtype=self.kind):
                out = network(*given)
            return cast(out, torch.float32)

        return call

    def backward(self, loss: Tensor) -> None:
        """Add a loss's gradients to those that are there."""
        scaled = loss if self.scaler is None else self.scaler.scale(loss)
        scaled.backward()

    def update(self, optimizer: Optimizer, network: nn.Module, clip_norm: float | None) -> None:
        """Move the weights by the gradients, and clear these.

        Args:
            clip_norm: largest norm of all gradients together; None: as they are.
        """
        if clip_norm is not None:
            if self.scaler is not None:
                self.scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self.scaler.update()
        optimizer.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Return the scaler's state; empty without one."""
        return {} if self.scaler is None else self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set the scaler's state."""
        if self.scaler is not None:
            self.scaler.load_state_dict(state)


def cast(value: Any, kind: torch.dtype) -> Any:
    """Return a tensor, or a tuple, list or dict of them, with floating-point numbers of a kind."""
    if isinstance(value, Tensor):
        return value.to(kind) if value.is_floating_point() else value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(cast(each, kind) for each in value))
    if isinstance(value, tuple | list):
        return type(value)(cast(each, kind) for each in value)
    if isinstance(value, dict):
        return {key: cast(each, kind) for key, each in value.items()}
    return value
