"""The networks: every kind, input and size answers; YOLT's hazards; batch norms shared exactly."""

import pytest
import torch
from torch import nn

from avtnet.classic.config import SIZES, ModelConfig
from avtnet.classic.losses import loss_terms, mean_loss
from avtnet.classic.model import Positions, build, cell_of
from avtnet.classic.networks import NETWORKS
from avtnet.classic.parts import TextNet
from clipping.learning.sync_norm import SyncNorm, synchronize

INPUTS = ("audio", "video", "audio+video", "audio+video+text")


def features(windows=2, frames=5, columns=48, size=(16, 24)):
    torch.manual_seed(2)
    return (
        torch.randn(windows, 20, columns) * 30,
        torch.rand(windows, frames, 3, *size),
        (torch.rand(windows, frames, 27, 36) > 0.8).float(),
    )


@pytest.mark.parametrize("size", ["small", "nano", "small_dense"])
@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_every_network_answers_with_positions(kind, inputs, size):
    model = build(ModelConfig(kind=kind, inputs=inputs, size=size, hidden=8)).eval()
    with torch.no_grad():
        out = model(*features())
    assert out.position.shape == (2,)
    assert ((out.position >= 0) & (out.position <= 1)).all()
    assert (out.cell is None) == (kind != "avtnet_yolt")


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_the_full_size_answers_too(kind, inputs):
    """On torch's meta device: shapes are followed, nothing is computed."""
    with torch.device("meta"):
        model = build(ModelConfig(kind=kind, inputs=inputs)).eval()
        out = model(
            torch.empty(2, 20, 320), torch.empty(2, 4, 3, 66, 88), torch.empty(2, 4, 27, 36)
        )
    assert out.position.shape == (2,)


def test_equal_masks_are_looked_at_once_and_answered_as_one_by_one():
    network = TextNet(SIZES["nano"]).eval()
    masks = (torch.rand(40, 27, 36) < 0.1).float()
    masks[5:20] = 0
    masks[22:30] = masks[21]
    one_by_one = torch.cat([network(mask[None]) for mask in masks])
    looked = []
    network[0].register_forward_pre_hook(lambda layer, given: looked.append(len(given[0])))
    assert torch.allclose(network(masks), one_by_one, atol=1e-6)
    assert looked == [40 - 14 - 8]
    # Training counts all of them: a batch norm's mean is of what was there.
    network.train()(masks)
    assert looked[1] == 40


def test_inputs_that_are_not_asked_for_change_nothing():
    mfcc, frames, text = features()
    with torch.no_grad():
        for inputs, changed in (
            ("audio", (mfcc, 1 - frames, 1 - text)),
            ("video", (-mfcc, frames, 1 - text)),
            ("audio+video", (mfcc, frames, 1 - text)),
        ):
            torch.manual_seed(0)
            model = build(ModelConfig(inputs=inputs, size="nano", hidden=8)).eval()
            same, other = model(mfcc, frames, text), model(*changed)
            assert torch.equal(same.position, other.position)
    whole = build(ModelConfig(size="nano", hidden=8)).eval()
    with torch.no_grad():
        positions = (whole(mfcc, frames, masks).position for masks in (text, 1 - text))
        assert not torch.equal(*positions)


@pytest.mark.parametrize(
    ("size", "millions"), [("small", 1.68), ("nano", 0.57), ("small_dense", 1.44)]
)
def test_the_small_sizes_have_this_many_parameters(size, millions):
    with torch.device("meta"):
        model = build(ModelConfig(size=size))
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions


def test_widths_can_be_set_one_by_one():
    config = ModelConfig(size="nano", hidden=24, layers=3)
    model = build(config)
    assert (model.audio.gru.hidden_size, model.audio.gru.num_layers) == (24, 3)
    assert config.widths.text_channels == SIZES["nano"].text_channels


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 200, "cells": 30}, "multiple of cells"),
        ({"hidden": 0}, "hidden is from 1"),
        ({"layers": 17}, "layers is from 1 to 16"),
        ({"cells": 0}, "cells is from 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**settings)


class TestYOLT:
    """You only look twice: the cell of the first look decides where the second one looks."""

    CONFIG = ModelConfig(kind="avtnet_yolt", size="nano", hidden=8, dropout=False)

    def test_a_position_of_exactly_1_belongs_to_the_last_cell(self):
        positions = torch.tensor([0.0, 0.049, 0.05, 0.5, 0.999, 1.0])
        assert cell_of(positions, 20).tolist() == [0, 0, 1, 10, 19, 19]

    def test_a_first_look_of_exactly_1_is_refined_in_the_last_cell(self):
        model = build(self.CONFIG).eval()
        nn.init.constant_(model.regress1[2].bias, 1000.0)
        out = model(*features())
        assert out.coarse.tolist() == [1.0, 1.0]
        assert out.cell.tolist() == [19, 19]
        assert ((out.position >= 0.95) & (out.position <= 1)).all()

    @pytest.mark.parametrize("target", [0.0, 1.0])
    def test_a_batch_without_a_window_in_its_true_cell_trains(self, target):
        """The original divides by the number of such windows: 0 / 0."""
        model = build(self.CONFIG).train()
        nn.init.constant_(model.regress1[2].bias, -1000.0 if target else 1000.0)
        out = model(*features())
        terms = loss_terms(out, torch.full((2,), target), self.CONFIG)
        assert [term.windows.item() for term in terms] == [2, 0]
        loss = mean_loss(terms)
        loss.backward()
        assert loss.item() == 200.0
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert gradients
        assert all(gradient.isfinite().all() for gradient in gradients)

    def test_the_second_look_counts_only_in_its_true_cell(self):
        out = Positions(
            position=torch.tensor([0.525, 0.125]),
            coarse=torch.tensor([0.52, 0.12]),
            cell=torch.tensor([10, 2]),
            fine=torch.tensor([0.5, 0.5]),
        )
        coarse, fine = loss_terms(out, torch.tensor([0.54, 0.32]), self.CONFIG)
        # |0.52 - 0.54| and |0.12 - 0.32| of 200 s; the first cell only: 0.54 is 0.8 of cell 10
        assert coarse.total.item() == pytest.approx(200 * (0.02 + 0.2), abs=1e-4)
        assert (coarse.windows.item(), fine.windows.item()) == (2, 1)
        assert fine.total.item() == pytest.approx(10 * 0.3, abs=1e-4)

    def test_both_looks_values_are_told_what_lies_before_the_boundary(self):
        out = Positions(
            position=torch.tensor([0.5]),
            coarse=torch.tensor([0.5]),
            cell=torch.tensor([10]),
            fine=torch.tensor([0.0]),
            values=(torch.ones(1, 200), torch.zeros(1, 200)),
        )
        *_, first, second = loss_terms(out, torch.tensor([0.5]), self.CONFIG, steps=2.0)
        assert (first.total.item(), second.total.item()) == (200.0, 200.0)
        assert len(loss_terms(out, torch.tensor([0.5]), self.CONFIG)) == 2
        right = (torch.arange(200) < 100).float()[None]
        out = out._replace(values=(right, right))
        *_, first, second = loss_terms(out, torch.tensor([0.5]), self.CONFIG, steps=2.0)
        assert (first.total.item(), second.total.item()) == (0.0, 0.0)

    def test_a_boundary_inside_of_a_step_is_a_share_of_it(self):
        values = torch.tensor([[1.0, 0.25, 0.0, 0.0]])
        out = Positions(torch.tensor([0.3]), values=(values,))
        config = ModelConfig(size="nano", hidden=8, steps=4, cells=2)
        # 1.25 steps of 50 s lie before it.
        _, steps = loss_terms(out, torch.tensor([0.3125]), config, steps=1.0)
        assert steps.total.item() == pytest.approx(0, abs=1e-4)

    def test_the_answer_lies_in_the_cell_of_the_first_look(self):
        torch.manual_seed(4)
        model = build(self.CONFIG).eval()
        with torch.no_grad():
            out = model(*features(windows=6))
        assert torch.equal(out.cell, (out.coarse * 20).long())
        torch.testing.assert_close(out.position * 20 - out.cell, out.fine)


class TestSyncNorm:
    """Our batch norm over all processes; on one process it is torch's."""

    @pytest.fixture(autouse=True)
    def _alone(self, tmp_path):
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
        )
        yield
        torch.distributed.destroy_process_group()

    @pytest.mark.parametrize(
        ("plain", "shape"),
        [(nn.BatchNorm1d, (4, 3, 7)), (nn.BatchNorm1d, (5, 3)), (nn.BatchNorm2d, (4, 3, 2, 5))],
    )
    def test_it_is_batch_norm(self, plain, shape):
        torch.manual_seed(6)
        theirs = plain(3)
        nn.init.normal_(theirs.weight)
        nn.init.normal_(theirs.bias)
        ours = SyncNorm(3)
        ours.load_state_dict(theirs.state_dict())
        for _ in range(3):
            values = 5 + 3 * torch.randn(shape)
            seen = [values.clone().requires_grad_() for _ in (ours, theirs)]
            for norm, x in zip((ours, theirs), seen, strict=True):
                norm.zero_grad()
                (norm(x) ** 3).sum().backward()
            torch.testing.assert_close(ours(values), theirs(values))
            torch.testing.assert_close(seen[0].grad, seen[1].grad, rtol=1e-4, atol=1e-4)
            for name in ("weight", "bias"):
                gradients = (getattr(norm, name).grad for norm in (ours, theirs))
                torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-3)
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], value, msg=name)
        torch.testing.assert_close(ours.eval()(values), theirs.eval()(values))

    def test_a_network_keeps_its_names_and_numbers(self):
        model = build(ModelConfig(size="nano", hidden=8))
        before = {name: value.clone() for name, value in model.state_dict().items()}
        synchronize(model)
        kinds = {type(module) for module in model.modules()}
        assert SyncNorm in kinds
        assert not kinds & {nn.BatchNorm1d, nn.BatchNorm2d}
        assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)

    def test_a_wrong_shape_is_refused(self):
        with pytest.raises(ValueError, match="batch, channels"):
            SyncNorm(3).eval()(torch.zeros(3))
