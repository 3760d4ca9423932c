"""The feature file keeps everything, and nothing in it is trusted."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from clipping.errors import ClippingError, ConfigError, FeatureError
from clipping.identity import Source, identify
from clipping.packing import pack_floats, pack_frames
from preprocess.features import Features, feature_path, load, save
from preprocess.frames import letterbox
from preprocess.settings import EasyOCRSettings, FeatureSettings, PPOCRSettings

SETTINGS = FeatureSettings(window=5.0, audio="jpn", ppocr=PPOCRSettings(score=0.5))


def _features(**changes) -> Features:
    rng = np.random.default_rng(0)
    shapes = SETTINGS.shapes
    return replace(
        Features(
            mfcc=rng.normal(size=shapes["mfcc"]).astype(np.float32),
            frames=rng.integers(0, 256, shapes["frames"], np.uint8),
            text=rng.random(shapes["text"]) < 0.3,
            name="S1/01 “Pilot”",
            side="end",
            start=1200.125,
            covered=4.5,
            duration=1204.625,
            source=Source("/videos/\udcff.mkv", 123, "abc"),
            settings=SETTINGS,
            notes=("no sound: the MFCC are zeros",),
        ),
        **changes,
    )


@pytest.fixture
def kept(tmp_path) -> Path:
    path = tmp_path / "deep" / "01_end.safetensors"
    save(_features(), path)
    return path


def test_what_is_saved_is_loaded(kept):
    before, after = _features(), load(kept)
    for key in ("mfcc", "frames", "text"):
        np.testing.assert_array_equal(getattr(before, key), getattr(after, key))
        assert getattr(before, key).dtype == getattr(after, key).dtype
    for key in ("name", "side", "start", "covered", "duration", "source", "settings", "notes"):
        assert getattr(before, key) == getattr(after, key)


def test_equal_features_are_equal_bytes(tmp_path):
    """safetensors alone writes metadata in an order that changes from call to call."""
    contents = set()
    for number in range(8):
        path = tmp_path / f"{number}.safetensors"
        save(_features(), path)
        contents.add(path.read_bytes())
    assert len(contents) == 1
    assert int.from_bytes(contents.pop()[:8], "little") % 8 == 0


def test_arrays_are_kept_packed_and_frames_in_blocks(tmp_path):
    settings = replace(SETTINGS, window=130.0, frame_height=20, frame_width=30)
    arrays = {
        "mfcc": np.ones(settings.shapes["mfcc"], np.float32),
        "frames": np.full(settings.shapes["frames"], 90, np.uint8),
        "text": np.ones(settings.shapes["text"], bool),
    }
    path = tmp_path / "01_end.safetensors"
    save(_features(**arrays, settings=settings), path)
    tensors = load_file(path)
    assert sorted(tensors) == ["frames.0", "frames.1", "mfcc", "text"]
    assert all(tensor.dtype == np.uint8 for tensor in tensors.values())
    assert path.stat().st_size < 9000  # of 400 kB
    np.testing.assert_array_equal(load(path).frames, arrays["frames"])


def test_arrays_can_be_loaded_into_a_place_of_ones_own(kept):
    batch = {
        "mfcc": np.empty((2, *SETTINGS.shapes["mfcc"]), np.float32),
        "frames": np.empty((2, *SETTINGS.shapes["frames"]), np.uint8),
        "text": np.empty((2, *SETTINGS.shapes["text"]), bool),
    }
    loaded = load(kept, into={key: array[1] for key, array in batch.items()})
    for key, array in batch.items():
        assert np.shares_memory(getattr(loaded, key), array)
        np.testing.assert_array_equal(array[1], getattr(_features(), key))
    small = {key: array[:, :1] for key, array in batch.items()}
    with pytest.raises(FeatureError, match=r"01_end.*made with other settings: its mfcc is \(20, "):
        load(kept, into=small)


def _unpacked(path: Path, **tensors) -> None:
    """The file of ``_features()`` as version 1 wrote it."""
    before = _features()
    arrays = {
        "mfcc": before.mfcc,
        "frames": before.frames,
        "text": np.packbits(before.text),
        **tensors,
    }
    save(before, path)
    _rewrite(path, tensors=arrays, without=["frames.0"], version="1")


def test_a_file_of_version_1_is_read_as_ever(tmp_path):
    path = tmp_path / "01_end.safetensors"
    _unpacked(path)
    before, after = _features(), load(path)
    for key in ("mfcc", "frames", "text"):
        np.testing.assert_array_equal(getattr(before, key), getattr(after, key))
    assert (after.name, after.settings, after.source) == (before.name, SETTINGS, before.source)
    batch = {key: np.empty_like(getattr(before, key)) for key in ("mfcc", "frames", "text")}
    load(path, into=batch)
    np.testing.assert_array_equal(batch["text"], before.text)


def test_the_spec_shapes_are_the_defaults():
    assert FeatureSettings().shapes == {
        "mfcc": (20, 8616),
        "frames": (200, 3, 66, 88),
        "text": (200, 27, 36),
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mfcc": np.zeros((20, 7), np.float32)}, "mfcc must be float32"),
        ({"frames": np.zeros(SETTINGS.shapes["frames"], np.float32)}, "frames must be uint8"),
        ({"side": "middle"}, "start or end"),
        ({"covered": float("nan")}, "covered must be 0 or more"),
    ],
)
def test_features_check_themselves(change, message):
    with pytest.raises(FeatureError, match=message):
        _features(**change)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FeatureError, match=r"nowhere.*: there is no such file"):
        load(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, 0.5, 0.999])
def test_a_file_cut_short_is_an_error(kept, keep):
    size = int(kept.stat().st_size * keep) if isinstance(keep, float) else keep
    os.truncate(kept, size)
    with pytest.raises(FeatureError, match=r"01_end.*damaged.*python -m preprocess"):
        load(kept)


def test_a_header_of_impossible_size_takes_no_memory(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    with pytest.raises(FeatureError, match="header claims"):
        load(path)


def _rewrite(path: Path, *, tensors=None, without=(), **metadata) -> None:
    """The same file with some of its tensors or metadata exchanged."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        before = dict(file.metadata())
    after = {**load_file(path), **(tensors or {})}
    for key in without:
        del after[key]
    save_file(after, path, {**before, **metadata})


def test_other_tensors_are_not_features(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, path)
    with pytest.raises(FeatureError, match="other tensors"):
        load(path)


def test_another_version_is_named(kept):
    _rewrite(kept, version="99")
    with pytest.raises(FeatureError, match="version 99, not 2"):
        load(kept)


PACKED_NANS = pack_floats(np.full(SETTINGS.shapes["mfcc"], np.nan, np.float32))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"mfcc": np.zeros(SETTINGS.shapes["mfcc"], np.float32)}, "mfcc must be U8"),
        ({"mfcc": np.zeros((3, 3), np.uint8)}, "mfcc must be U8"),
        ({"mfcc": np.zeros(99_000, np.uint8)}, "mfcc must be U8, of 17440 bytes"),
        ({"mfcc": np.zeros(0, np.uint8)}, "damaged"),
        ({"mfcc": pack_floats(np.zeros((20, 3), np.float32))}, "claim to be 240 bytes, not 17440"),
        ({"text": np.zeros(3, np.uint8)}, "damaged"),
        ({"frames.0": np.zeros(3, np.uint8)}, "cut short"),
        ({"frames.0": pack_frames(np.ones((4, 3, 66, 88), np.uint8))}, "claim to be"),
        ({"frames.1": np.zeros(3, np.uint8)}, "it holds"),
        ({"mfcc": PACKED_NANS}, "not finite"),
    ],
)
def test_tensors_that_the_settings_do_not_promise_are_refused(kept, tensors, message):
    _rewrite(kept, tensors=tensors)
    with pytest.raises(FeatureError, match=message):
        load(kept)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"mfcc": np.zeros((20, 3), np.float32)}, "mfcc must be F32"),
        ({"mfcc": np.zeros(SETTINGS.shapes["mfcc"], np.float64)}, "mfcc must be F32"),
        ({"text": np.zeros(3, np.uint8)}, "text must be U8"),
        ({"extra": np.zeros(3, np.uint8)}, "it holds"),
        ({"mfcc": np.full(SETTINGS.shapes["mfcc"], np.nan, np.float32)}, "not finite"),
    ],
)
def test_version_1_is_trusted_no_more(tmp_path, tensors, message):
    path = tmp_path / "01_end.safetensors"
    _unpacked(path, **tensors)
    with pytest.raises(FeatureError, match=message):
        load(path)


def test_a_window_that_would_fill_the_memory_is_refused(kept):
    from safetensors import safe_open

    huge = replace(SETTINGS, window=3600.0, frame_height=1024, frame_width=1024)
    black = zstandard.ZstdCompressor().compress(bytes(1 << 20))
    with safe_open(kept, framework="numpy") as file:
        about = json.loads(file.metadata()["about"])
    _rewrite(
        kept,
        tensors={f"frames.{block}": np.frombuffer(black, np.uint8) for block in range(36)},
        about=json.dumps({**about, "settings": asdict(huge)}),
    )
    with pytest.raises(FeatureError, match=r"takes \d+ bytes, above 536870912"):
        load(kept)


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"window": 1e18}},
        {"settings": 3},
        {"side": "middle"},
        {"start": "soon"},
        {"source": {"path": "x"}},
        {"notes": None},
    ],
)
def test_metadata_that_lie_are_refused(kept, change):
    from safetensors import safe_open

    with safe_open(kept, framework="numpy") as file:
        about = json.loads(file.metadata()["about"])
    _rewrite(kept, about=json.dumps({**about, **change}))
    with pytest.raises(FeatureError, match="01_end"):
        load(kept)
    _rewrite(kept, about="{")
    with pytest.raises(FeatureError, match="01_end"):
        load(kept)


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/../../b", "", ".", "a\0b"])
def test_a_name_never_leaves_the_folder(name, tmp_path):
    with pytest.raises(ClippingError, match="cannot be the name"):
        feature_path(tmp_path, name, "start")


def test_names_become_files_in_the_folder(tmp_path):
    assert feature_path(tmp_path, "S1/01.v2", "end") == tmp_path / "S1/01.v2_end.safetensors"
    with pytest.raises(ClippingError, match="too long"):
        feature_path(tmp_path, "ば" * 84, "start")


def test_a_copy_is_the_same_file_and_a_download_that_goes_on_is_not(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    data = bytearray(np.random.default_rng(0).bytes(3_000_000))
    first.write_bytes(data)
    second.write_bytes(data)
    assert identify(first).fingerprint == identify(second).fingerprint
    data[1_000_000:2_000_000] = bytes(1_000_000)  # the middle is not there yet
    second.write_bytes(data)
    assert identify(first).fingerprint != identify(second).fingerprint
    second.write_bytes(b"")
    assert identify(second).size_bytes == 0


def test_what_cannot_be_read_has_no_identity(tmp_path):
    with pytest.raises(ClippingError, match="is no file"):
        identify(tmp_path)
    os.mkfifo(tmp_path / "pipe.mkv")
    with pytest.raises(ClippingError, match="is no file"):
        identify(tmp_path / "pipe.mkv")
    with pytest.raises(ClippingError, match="No such file"):
        identify(tmp_path / "nowhere.mkv")


@pytest.mark.parametrize(
    "change",
    [
        {"window": 0},
        {"window": 1.5},
        {"window": float("inf")},
        {"sample_rate": 0},
        {"n_mfcc": 129},
        {"frame_height": 0},
        {"mask_height": True},
        {"hop_samples": 512.0},
        {"mfcc_engine": "torch"},
        {"text_engine": "tesseract"},
    ],
)
def test_settings_check_themselves(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        FeatureSettings(**change)
    with pytest.raises(ConfigError, match="score"):
        PPOCRSettings(score=2)
    with pytest.raises(ConfigError, match="low_text"):
        EasyOCRSettings(low_text=-1)


def test_settings_of_an_unused_engine_do_not_make_features_stale():
    default = FeatureSettings()
    other = replace(default, easyocr=EasyOCRSettings(low_text=0.1))
    assert default.decisive() == other.decisive()
    assert default.decisive() != replace(default, ppocr=PPOCRSettings(score=0.1)).decisive()
    assert default.decisive() != replace(default, audio="jpn").decisive()


sides = st.integers(1, 10_000)


@given(st.tuples(sides, sides), st.tuples(st.integers(1, 500), st.integers(1, 500)))
def test_a_letterbox_fits_fills_and_is_centred(size, canvas):
    box = letterbox(size, canvas)
    assert 1 <= box.width <= canvas[0]
    assert 1 <= box.height <= canvas[1]
    assert box.width == canvas[0] or box.height == canvas[1]
    right = canvas[0] - box.left - box.width
    bottom = canvas[1] - box.top - box.height
    assert 0 <= right - box.left <= 1
    assert 0 <= bottom - box.top <= 1
    exact = min(canvas[0] / size[0], canvas[1] / size[1])
    assert abs(box.width - size[0] * exact) <= 1
    assert abs(box.height - size[1] * exact) <= 1


def test_the_usual_shapes_lie_where_the_spec_has_them():
    assert letterbox((1920, 1080), (88, 66)) == letterbox((640, 360), (88, 66))
    box = letterbox((1920, 1080), (88, 66))
    assert (box.left, box.top, box.width, box.height) == (0, 8, 88, 50)
    box = letterbox((720, 1280), (88, 66))
    assert (box.top, box.width, box.height) == (0, 37, 66)
    with pytest.raises(ValueError, match="1x1"):
        letterbox((0, 4), (88, 66))
