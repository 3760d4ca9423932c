"""Contact sheets and animations, read back with Pillow: barcodes show which pictures they hold."""

import sys

import numpy as np
import pytest
from making.media import make_media, read_barcode
from PIL import Image

from clipping.cutting.preview import main, preview
from clipping.errors import ClippingError, MediaError
from clipping.segments import Segment


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return make_media(tmp_path_factory.mktemp("film") / "a film.mp4", size=(160, 90))


def numbers(path):
    """The barcode of every picture of an animation."""
    with Image.open(path) as image:
        found = []
        for index in range(image.n_frames):
            image.seek(index)
            found.append(read_barcode(np.asarray(image.convert("RGB"))))
        return found


@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_an_animation_plays_the_segment_as_fast_as_the_film(film, tmp_path, suffix):
    target = tmp_path / f"x.{suffix}"
    preview(film, Segment(1, 2), output=target, every=0.25)
    assert numbers(target) == [24, 30, 36, 42]
    with Image.open(target) as image:
        image.seek(1)
        image.load()
        assert (image.size, image.info["duration"], image.info["loop"]) == ((320, 180), 250, 0)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_contact_sheet_shows_the_segment_in_rows_with_times(film, tmp_path, suffix):
    target = tmp_path / f"x.{suffix}"
    preview(film, Segment(1, 3.5), output=target, every=0.5, columns=2, width=160)
    with Image.open(target) as image:
        sheet = np.asarray(image.convert("RGB"))
    assert sheet.shape == (4 + 3 * 94, 4 + 2 * 164, 3)
    cells = [
        sheet[4 + row * 94 : 94 + row * 94, 4 + column * 164 : 164 + column * 164]
        for row in range(3)
        for column in range(2)
    ]
    assert [read_barcode(cell) for cell in cells[:5]] == [24, 36, 48, 60, 72]
    assert cells[5].max() < 30  # five pictures in a sheet for six
    labels = [cell[70:, :80] for cell in cells[:5]]
    assert all((label.min(axis=2) > 200).sum() > 20 for label in labels)  # white letters
    assert len({label.tobytes() for label in labels}) == 5


def test_the_whole_film_is_twenty_pictures(film, tmp_path):
    preview(film, output=tmp_path / "x.png", width=80)
    with Image.open(tmp_path / "x.png") as image:
        assert image.size == (4 + 5 * 84, 4 + 4 * 49)


def test_a_rotated_film_is_upright(tmp_path):
    film = make_media(tmp_path / "r.mp4", size=(90, 160), rotation=90, duration=1)
    preview(film, output=tmp_path / "x.webp", every=0.5, width=180)
    assert numbers(tmp_path / "x.webp") == [0, 12]
    with Image.open(tmp_path / "x.webp") as image:
        assert image.size == (180, 320)


@pytest.mark.parametrize(
    ("segment", "name", "options", "message"),
    [
        (Segment(5, 6), "x.png", {}, "ends at 0:00:04.000, before"),
        (Segment(1, 2), "x.bmp", {}, r"a preview is .png"),
        (Segment(1, 4), "x.png", {"every": 0.001}, "3000 pictures are more than 1000"),
    ],
)
def test_what_cannot_be_shown_is_said(film, tmp_path, segment, name, options, message):
    with pytest.raises(ClippingError, match=message):
        preview(film, segment, output=tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_sound_alone_has_no_preview(tmp_path):
    radio = make_media(tmp_path / "radio.m4a", video_codec=None, duration=1)
    with pytest.raises(MediaError, match="has no picture"):
        preview(radio, output=tmp_path / "x.png")


def test_the_command(film, tmp_path, capsys):
    words = [str(film), "--start", "0:01", "--end", "2.5", "-o", str(tmp_path / "x.webp")]
    assert main([*words, "--every", "0.5"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "x.webp")
    assert numbers(tmp_path / "x.webp") == [24, 36, 48]
    assert main(words) == 1
    assert "exists; --overwrite replaces it" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--columns", "0"]) == 1
    assert "columns >= 1" in capsys.readouterr().err
    assert main([*words, "--end", "0:00"]) == 1
    with pytest.raises(SystemExit, match="2"):
        main(["--start", "1"])
    assert "a preview shows one file, got 0" in capsys.readouterr().err


def test_a_missing_extra_names_its_remedy(film, tmp_path, monkeypatch):
    for name in ("imageio", "imageio.v3"):
        monkeypatch.setitem(sys.modules, name, None)  # Python's own "is not installed"
    with pytest.raises(
        ClippingError, match=r"imageio is not installed: pip install 'avtnet\[video\]'"
    ):
        preview(film, output=tmp_path / "x.png")
