"""Our networks give the numbers that the original's gave for known weights and inputs.

The figures were printed by the original networks (torch 2.15 on a CPU, evaluation mode): two
windows of 12 frames and 400 MFCC columns, both pooled to 200 steps. Weights are a function of the
original's parameter names, so the names here are the original's.
"""

import re
import zlib
from functools import cache

import numpy as np
import pytest
import torch

from avtnet.classic.config import ModelConfig
from avtnet.classic.losses import loss_terms, mean_loss
from avtnet.classic.model import build

# kind → (positions; for YOLT first look and place in its cell, loss in seconds)
ORACLES = {
    "avtnet": ({"position": [0.5994114, 0.55234617]}, 35.206528),
    "avtnet2": ({"position": [0.14370543, 0.12609856]}, 65.5196),
    "avtnet_yolt": (
        {"coarse": [0.43922472, 0.44716167], "fine": [0.42291838, 0.42262137]},
        30.206303,
    ),
}

# ours → the original's
NAMES = [
    (r"^video\.frames\.layers", "videoNet.front_end"),
    (r"^video\.text\.(\d)", lambda m: f"videoNet.rpn.conv{int(m[1]) + 1}"),
    (r"^video\.gru", "videoNet.back_end"),
    (r"^audio\.stem", "audioNet.conv.conv"),
    (r"^audio\.stages\.(\d)", lambda m: f"audioNet.conv.layer{int(m[1]) + 1}"),
    (r"excite\.1\.(weight|bias)$", r"conv3.\1"),
    (r"excite\.3\.(weight|bias)$", r"conv4.\1"),
    (r"shortcut", "downsample"),
    (r"^audio\.norm", "audioNet.conv.bn"),
    (r"^audio\.gru", "audioNet.gru"),
    (r"^fusion\.excite", "se.fc"),
    (r"^regress(\d?)", r"fc\1"),
]


def original_name(name):
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    return name


@cache
def parameter(name, shape):
    """The oracle's value of a parameter, by its original name."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    if len(shape) >= 2:
        value = random.randn(*shape) / np.sqrt(np.prod(shape[1:]) if len(shape) >= 3 else shape[0])
    else:
        value = 0.1 * random.randn(*shape)
    return torch.from_numpy(value.astype(np.float32))


def oracle_state(model):
    state = {}
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            state[name] = tensor
            continue
        value = parameter(original_name(name), tuple(tensor.shape))
        if name.endswith("running_var"):
            value = value.abs() + 0.5
        elif name.endswith("weight") and value.ndim == 1:
            value = 1 + value
        state[name] = value
    return state


def oracle_inputs():
    def random(seed):
        return np.random.RandomState(seed)

    frames = random(1).randint(0, 256, (2, 12, 3, 66, 88)).astype(np.float32)
    mfcc = random(2).randn(2, 20, 400).astype(np.float32)
    text = (random(3).rand(2, 12, 27, 36) > 0.8).astype(np.float32)
    return torch.from_numpy(mfcc), torch.from_numpy(frames), torch.from_numpy(text)


@pytest.mark.parametrize("kind", ORACLES)
def test_outputs_and_loss_equal_the_original(kind):
    outputs, loss = ORACLES[kind]
    config = ModelConfig(kind=kind)
    model = build(config).eval()
    model.load_state_dict(oracle_state(model))
    # In double precision: single rounds differently on every kind of processor.
    model.double()

    with torch.no_grad():
        out = model(*(array.double() for array in oracle_inputs()))
        seconds = mean_loss(loss_terms(out, torch.tensor([0.31, 0.62]).double(), config))

    for name, values in outputs.items():
        ours = getattr(out, name)
        wanted = torch.tensor(values, dtype=ours.dtype)
        torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=0)
    # Of the loss, too: it is in seconds, and the original's own single precision is 1e-4 s off.
    assert seconds.item() == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "millions"), [("avtnet", 83.26), ("avtnet2", 87.45), ("avtnet_yolt", 83.26)]
)
def test_the_full_size_has_the_original_number_of_parameters(kind, millions):
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in build(ModelConfig(kind=kind)).parameters())
    unused = 2_093_184  # the original's TempConv stack in its AudioNet, which nothing reads
    assert round((count + unused) / 1e6, 2) == millions
