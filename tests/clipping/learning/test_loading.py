"""Batches are read ahead, in order, and an iterator that is left early leaves nothing behind."""

import threading
from contextlib import closing

import pytest
import torch
from making.windows import make_data

from avtnet.classic.dataset import WindowDataset, read_windows, to_batch
from clipping.errors import FeatureError
from clipping.learning.loading import AHEAD, Waiting, read_batches
from preprocess.features import load

ORDER = [[3, 1], [0, 5], [4, 2], [13, 12], [7, 7]]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    windows, _ = read_windows(make_data(tmp_path_factory.mktemp("data")))
    return WindowDataset(windows)


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_batches_come_in_order_and_hold_what_the_files_hold(data, threads):
    waiting = Waiting()
    reader = read_batches(data, ORDER, threads)
    batches = []
    for _ in ORDER:
        with waiting.over():
            batches.append(next(reader))
    for (batch, target), indices in zip(batches, ORDER, strict=True):
        wanted = to_batch([load(data.windows[index].path) for index in indices])
        for got, want in zip(batch, wanted, strict=True):
            assert got.dtype == want.dtype
            assert got.is_contiguous()
            assert torch.equal(got, want)
        assert target.tolist() == pytest.approx(
            [data.windows[index].seconds / 200 for index in indices]
        )
    assert waiting.seconds > 0
    assert 0 < waiting.share <= 1


def test_no_more_than_a_few_batches_are_in_memory(data, monkeypatch):
    made = []
    room = data.room
    monkeypatch.setattr(data, "room", lambda count: made.append(count) or room(count))
    order = [[0]] * 20
    with closing(read_batches(data, order, 2)) as batches:
        for used, _ in enumerate(batches, start=1):
            assert len(made) <= used + AHEAD


def test_left_early_it_leaves_no_thread(data):
    before = threading.active_count()
    with closing(read_batches(data, [[0, 1]] * 50, 3)) as batches:
        next(batches)
        assert threading.active_count() > before
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [0, 2])
def test_a_file_that_cannot_be_read_is_named_when_its_batch_is_due(tmp_path, threads):
    windows, _ = read_windows(make_data(tmp_path))
    data = WindowDataset(windows)
    path = windows[5].path
    path.write_bytes(path.read_bytes()[:900])
    with closing(read_batches(data, ORDER, threads)) as batches:
        next(batches)
        with pytest.raises(FeatureError, match=path.stem):
            next(batches)


def test_windows_of_other_settings_are_named(tmp_path, data):
    from dataclasses import replace

    from making import windows

    for change, message in (
        ({"window": 10.0}, r"ep00_start[^;]*made with other settings: its mfcc is"),
        ({"text_engine": "ppocr"}, r"ep00_start.*other settings"),
    ):
        folder = make_data(
            tmp_path / next(iter(change)), settings=replace(windows.SETTINGS, **change)
        )
        others, _ = read_windows(folder)
        mixed = WindowDataset([*data.windows[:1], *others])
        with pytest.raises(FeatureError, match=message):
            mixed.read([0, 1])
