"""The weights and inputs that the original networks' figures were printed for.

Weights are a function of the original's parameter names, so the names here are the original's.
"""

import zlib
from functools import cache

import numpy as np
import torch

from avtnet.classic.config import ModelConfig
from avtnet.classic.model import build
from avtnet.classic.original import original_name


@cache
def parameter(name, shape):
    """The oracle's value of a parameter, by its original name."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    if len(shape) >= 2:
        value = random.randn(*shape) / np.sqrt(np.prod(shape[1:]) if len(shape) >= 3 else shape[0])
    else:
        value = 0.1 * random.randn(*shape)
    return torch.from_numpy(value.astype(np.float32))


def original_shapes(kind):
    """The original's parameters and their shapes, with those of a part that nothing reads."""
    with torch.device("meta"):
        network = build(ModelConfig(kind=kind))
    shapes = {original_name(name): tuple(t.shape) for name, t in network.state_dict().items()}
    return shapes | {
        "audioNet.conv1.conv1.0.weight": (64, 20, 3),
        "audioNet.conv4.se.fc.2.weight": (512, 128),
    }


def original_state(kind):
    """A state dict as the original's scripts keep it, with the figures' weights."""
    state = {}
    for name, shape in original_shapes(kind).items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
            continue
        value = parameter(name, shape)
        if name.endswith("running_var"):
            value = value.abs() + 0.5
        elif name.endswith("weight") and value.ndim == 1:
            value = 1 + value
        state[name] = value
    return state


def light_state(kind):
    """A state dict of the right names and shapes that takes no memory: zeros, one number each."""
    return {
        name: torch.tensor(3)
        if name.endswith("num_batches_tracked")
        else torch.zeros(()).expand(shape)
        for name, shape in original_shapes(kind).items()
    }


def oracle_inputs():
    def random(seed):
        return np.random.RandomState(seed)

    frames = random(1).randint(0, 256, (2, 12, 3, 66, 88)).astype(np.float32)
    mfcc = random(2).randn(2, 20, 400).astype(np.float32)
    text = (random(3).rand(2, 12, 27, 36) > 0.8).astype(np.float32)
    return torch.from_numpy(mfcc), torch.from_numpy(frames), torch.from_numpy(text)
