"""Our networks give the numbers that the original's gave for known weights and inputs.

The figures were printed by the original networks (torch 2.15 on a CPU, evaluation mode): two
windows of 12 frames and 400 MFCC columns, both pooled to 200 steps.
"""

from pathlib import Path

import pytest
import torch
from making.oracles import oracle_inputs, original_state

from avtnet.classic.config import ModelConfig
from avtnet.classic.losses import loss_terms, mean_loss
from avtnet.classic.model import build
from avtnet.classic.original import recognized

# kind → (positions; for YOLT first look and place in its cell, loss in seconds)
ORACLES = {
    "avtnet": ({"position": [0.5994114, 0.55234617]}, 35.206528),
    "avtnet2": ({"position": [0.14370543, 0.12609856]}, 65.5196),
    "avtnet_yolt": (
        {"coarse": [0.43922472, 0.44716167], "fine": [0.42291838, 0.42262137]},
        30.206303,
    ),
}


@pytest.mark.parametrize("kind", ORACLES)
def test_outputs_and_loss_equal_the_original(kind):
    outputs, loss = ORACLES[kind]
    config = ModelConfig(kind=kind)
    model = build(config).eval()
    told, state = recognized(original_state(kind), Path("original.pth"))
    assert told == kind
    model.load_state_dict(state)
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
