"""The one loop: equal to a plain one bit for bit, and to itself when it is interrupted."""

from __future__ import annotations

import copy
import csv
import dataclasses
import itertools

import numpy as np
import pytest
import torch
from making.stops import interrupted
from torch import nn
from torch.nn import functional

from clipping.errors import CheckpointError, ClippingError, ConfigError
from clipping.learning.averaging import blend, kept_share
from clipping.learning.checkpoints import write_weights
from clipping.learning.loop import State, fit
from clipping.learning.processes import Process
from clipping.learning.run_folder import RunFolder
from clipping.learning.schedules import warm_cosine
from clipping.learning.training import Plan, Training, marks_every, step_seed

STEPS = 50


def batch_of(step):
    """Eight points and their classes, by the step alone."""
    random = np.random.default_rng([9, step])
    points = torch.from_numpy(random.normal(size=(8, 4)).astype(np.float32))
    return points, (points.sum(1) > 0).long()


def network():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2)
    )


def rate(step):
    return warm_cosine(0.05, step, warm=5, total=STEPS)


class Points(Training):
    """The smallest training that has all parts."""

    def __init__(self, figures=()):
        super().__init__(Process())
        self.network = network()
        self.figures = iter(figures)
        self.seen = []
        self.losses = []

    def batches(self, first):
        for step in itertools.count(first):
            self.seen.append(step)
            yield batch_of(step)

    def loss(self, forward, batch):
        points, classes = batch
        loss = functional.cross_entropy(forward(points), classes)
        self.losses.append(float(loss.detach()))
        return loss

    def optimizer(self):
        return torch.optim.AdamW(self.network.parameters(), lr=1.0)

    def rate(self, step):
        return rate(step)

    def validate(self, network):
        points, classes = batch_of(10**6)
        with torch.inference_mode():
            wrong = (network(points).argmax(1) != classes).float().mean()
        return {"wrong": next(self.figures, float(wrong))}

    def write(self, path, network, row):
        write_weights(path, network, {"row": dict(row)})


def plain(*, accumulation=1, clip_norm=None, averaging=0.0):
    """The loop that anybody would write: losses, weights, averaged weights."""
    model = network()
    average, losses, updates = copy.deepcopy(model), [], 0
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.0)
    model.train()
    for step in range(STEPS):
        points, classes = batch_of(step)
        torch.manual_seed(step_seed(0, step, 0))
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        loss = functional.cross_entropy(model(points), classes)
        losses.append(float(loss.detach()))
        (loss / accumulation).backward()
        if (step + 1) % accumulation == 0 or step + 1 == STEPS:
            if clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            blend(average, model, kept_share(averaging, updates))
            updates += 1
    return losses, model.state_dict(), average.state_dict()


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    "settings",
    [{}, {"accumulation": 3}, {"clip_norm": 0.5}, {"averaging": 0.9, "accumulation": 4}],
    ids=repr,
)
def test_fifty_steps_are_those_of_a_plain_loop_bit_for_bit(settings):
    losses, weights, average = plain(**settings)
    training = Points()
    loop = fit(training, Plan((STEPS,), **settings))
    assert training.losses == losses
    assert same(training.network.state_dict(), weights)
    assert loop.average is None or same(loop.average.state_dict(), average)
    assert (loop.average is not None) == ("averaging" in settings)


PLAN = Plan(
    marks_every(15, STEPS), averaging=0.9, accumulation=2, clip_norm=1.0, best="wrong", late=0.5,
    latest="now.safetensors",
)  # fmt: skip


def folder_of(path, **settings):
    return RunFolder(path, {"lr": 0.05, "workers": 1, **settings}, ("workers",))


def rows_of(run):
    rows = list(csv.DictReader((run.path / "metrics.csv").read_text().splitlines()))
    return [{name: value for name, value in row.items() if name != "waiting"} for row in rows]


@pytest.mark.parametrize("looks", [0, 6, 8, 20])
def test_an_interrupted_training_continued_equals_an_uninterrupted_one(tmp_path, looks):
    """Inside of a stretch, at its end, and in a later one."""
    whole, parted = folder_of(tmp_path / "whole"), folder_of(tmp_path / "parted")
    whole.open(resume=False, overwrite=False)
    training = Points()
    loop = fit(training, PLAN, run=whole)
    parted.open(resume=False, overwrite=False)
    interrupted(lambda: fit(Points(), PLAN, run=parted), looks)
    state = folder_of(tmp_path / "parted", workers=7).read(State)
    assert 0 < state.step < STEPS
    rest = Points()
    again = fit(rest, PLAN, run=parted, state=state)
    assert rest.seen == list(range(state.step, STEPS))
    assert same(training.network.state_dict(), rest.network.state_dict())
    assert same(loop.average.state_dict(), again.average.state_dict())
    assert rows_of(whole) == rows_of(parted)
    assert fit(Points(), PLAN, run=parted, state=parted.read(State)).step == STEPS, "nothing left"


def test_what_is_kept_is_the_best_the_late_and_the_latest(tmp_path):
    run = folder_of(tmp_path / "run")
    run.open(resume=False, overwrite=False)
    fit(Points([0.5, 0.1, 0.3, 0.2]), PLAN, run=run)
    kept = sorted(path.name for path in run.path.glob("*.safetensors"))
    # Marks 15, 30, 45, 50; late is from the half on.
    assert kept == ["best.safetensors", "now.safetensors", "step0000045.safetensors",
                    "step0000050.safetensors"]  # fmt: skip
    assert [(row["step"], row["wrong"]) for row in rows_of(run)] == [
        ("15", "0.5"), ("30", "0.1"), ("45", "0.3"), ("50", "0.2"),
    ]  # fmt: skip
    assert b'"wrong\\": 0.1' in (run.path / "best.safetensors").read_bytes().replace(b"\\\\", b"\\")
    assert (run.path / "curve.png").read_bytes()[:4] == b"\x89PNG"
    log = (run.path / "rank-0.log").read_text() if (run.path / "rank-0.log").exists() else ""
    assert log == "", "the caller makes the log"
    higher = folder_of(tmp_path / "higher")
    higher.open(resume=False, overwrite=False)
    fit(Points([0.5, 0.1, 0.7, 0.2]), dataclasses.replace(PLAN, higher=True), run=higher)
    assert b"0.7" in (higher.path / "best.safetensors").read_bytes()[:500]


def test_it_ends_where_nothing_is_gained_any_more(tmp_path):
    plan = Plan(marks_every(5, STEPS), best="wrong", patience=3, at_start=True)
    loop = fit(Points([0.5, 0.4, float("nan"), 0.6, 0.4]), plan)
    assert (loop.step, len(loop.rows)) == (20, 5)
    assert loop.rows[0]["step"] == 0
    assert loop.done


def test_a_loss_that_is_no_number_is_said_with_its_step():
    class Broken(Points):
        def loss(self, forward, batch):
            return super().loss(forward, batch) * (float("nan") if len(self.losses) == 8 else 1)

    with pytest.raises(ClippingError, match=r"the loss is nan at step 7: lower --lr"):
        fit(Broken(), Plan((STEPS,)))


def test_mixed_precision_trains_and_weights_stay_single(tmp_path):
    training = Points()
    fit(training, Plan((STEPS,), mixed=True))
    assert all(value.dtype != torch.bfloat16 for value in training.network.state_dict().values())
    assert np.mean(training.losses[-10:]) < 0.8 * np.mean(training.losses[:10])


def test_a_folder_holds_one_run_and_its_settings(tmp_path):
    run = folder_of(tmp_path)
    run.open(resume=False, overwrite=False)
    fit(Points(), dataclasses.replace(PLAN, marks=(2,)), run=run)
    with pytest.raises(ConfigError, match="already holds a run: go on with --resume"):
        run.open(resume=False, overwrite=False)
    other = folder_of(tmp_path, lr=0.5)
    with pytest.raises(ConfigError, match=r"lr \(then 0.05, now 0.5\)"):
        other.open(resume=True, overwrite=False)
    torch.save({**torch.load(tmp_path / "last.pt"), "network": {}}, tmp_path / "last.pt")
    with pytest.raises(CheckpointError, match="holds another network"):
        fit(Points(), PLAN, run=run, state=run.read(State))
    other.open(resume=False, overwrite=True)
    assert other.read(State) is None
    assert not list(tmp_path.glob("*.safetensors"))


def test_machines_that_do_not_share_the_folder_are_told(tmp_path):
    """One of them has no last.pt to go on from: they would train different networks."""

    class Other(Process):
        def gather(self, value):
            return [value, None]

    run = folder_of(tmp_path)
    run.open(resume=False, overwrite=False)
    interrupted(lambda: fit(Points(), PLAN, run=run), 2)
    with pytest.raises(ClippingError, match=r"steps by rank: \[6, None\].*all machines share"):
        fit(Points(), PLAN, process=Other(), run=run, state=run.read(State))


@pytest.mark.parametrize("marks", [(), (0, 5), (5, 5), (7, 3)])
def test_a_plan_that_makes_no_sense_is_refused(marks):
    with pytest.raises(ConfigError, match="ascending"):
        Plan(marks)
