"""Windows as another copy of their episode could have been: for training on few.

On whole batches, where the network is: a few milliseconds on a GPU. All that is drawn comes from
torch's generators, so a step that is seeded is repeated exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from avtnet.classic.dataset import Batch
from avtnet.dense.augment import FILTER, MISSED

HIDDEN = 0.06
"""Share of windows without sound; as many without pictures, and without text."""


def augmented(batch: Batch) -> Batch:
    """Return the same windows, each changed by chance: shapes, types and boundaries stay.

    Args:
        batch: on any device; the result is there, too, and shares no memory that it changes.
    """
    rows, device = len(batch.mfcc), batch.mfcc.device

    def chosen(share: float) -> Tensor:
        return torch.rand(rows, device=device) < share

    # 0: the sound, 1: the pictures, 2: the text; above that nothing is hidden.
    hidden = (torch.rand(rows, device=device) / HIDDEN).long()
    mirrored = chosen(0.5)
    text = torch.where(_along(mirrored, batch.text), batch.text.flip(-1), batch.text)
    frames = torch.where(_along(mirrored, batch.frames), batch.frames.flip(-1), batch.frames)
    missed = torch.tensor(MISSED, device=device)[torch.randint(len(MISSED), (rows,), device=device)]
    seen = torch.rand(batch.text.shape[:2], device=device) >= missed[:, None]
    seen &= (hidden != 2)[:, None]
    return Batch(
        mfcc=changed_sound(batch.mfcc, chosen(0.8), chosen(0.3)) * _along(hidden != 0, batch.mfcc),
        frames=_colours(frames) * _along(hidden != 1, frames),
        text=text & seen[:, :, None, None],
    )


def changed_sound(mfcc: Tensor, filtered: Tensor, noisy: Tensor) -> Tensor:
    """Return MFCC as of a louder or quieter copy, filtered and a little noisy; silence stays."""
    rows, coefficients = mfcc.shape[:2]
    spread = mfcc.new_tensor(FILTER[:coefficients])[:, None]
    tilt = torch.randn(rows, coefficients, 1, device=mfcc.device) * spread
    sound = mfcc + tilt * _along(filtered, mfcc)
    sound = sound + 2 * torch.randn_like(mfcc) * _along(noisy, mfcc)
    return sound * (mfcc != 0).any(1, keepdim=True)


def _colours(frames: Tensor) -> Tensor:
    """Return pictures with each colour made brighter or darker by itself."""
    rows = len(frames)
    each = 0.06 * torch.randn(rows, 1, 3, 1, 1, device=frames.device)
    all_of_them = 0.15 * torch.randn(rows, 1, 1, 1, 1, device=frames.device)
    added = 8 * torch.randn(rows, 1, 1, 1, 1, device=frames.device)
    changed = frames.float() * torch.exp(each + all_of_them) + added
    return changed.round().clamp(0, 255).to(torch.uint8)


def _along(mask: Tensor, like: Tensor) -> Tensor:
    """Return one value a window in a shape that multiplies its tensor."""
    return mask.reshape(-1, *[1] * (like.dim() - 1))
