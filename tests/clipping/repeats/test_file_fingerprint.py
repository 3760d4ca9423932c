"""Fingerprints of a file can be saved and loaded, and a loaded file is checked throughout."""

import pytest
from making.fuzzing import Damaged
from making.shared import CHEAP, film, song, spliced, story, write

from clipping.errors import FeatureError, MediaError
from clipping.repeats.file_fingerprint import (
    SharedSettings,
    load_fingerprint,
    make_fingerprint,
    save_fingerprint,
)
from clipping.repeats.shared import compare

SOUND = SharedSettings(by="sound", shortest=6.0)


def said(found):
    return [(each.a.segment, each.b.segment, each.score, each.by, each.exact) for each in found]


def test_kept_prints_compare_as_those_just_made_wherever_the_file_lies_now(tmp_path):
    theme = song(9, 1)
    a = write(tmp_path / "a.mp3", spliced(story(5, 2), theme), codec="libmp3lame", **CHEAP)
    b = write(tmp_path / "b.m4a", spliced(story(8, 3), theme, story(4, 4)), **CHEAP)
    first, second = make_fingerprint(a, SOUND), make_fingerprint(b, SOUND)
    fresh = compare(first, second, SOUND)
    assert [each.exact for each in fresh] == [True]
    save_fingerprint(first, tmp_path / "kept" / "a.prints")
    save_fingerprint(first, tmp_path / "kept" / "again.prints")
    moved = a.rename(tmp_path / "moved.mp3")
    kept = load_fingerprint(tmp_path / "kept" / "a.prints", moved)
    assert said(compare(kept, second, SOUND)) == said(fresh)
    assert (kept.path, kept.duration, kept.picture) == (moved, first.duration, None)
    data = (tmp_path / "kept" / "a.prints").read_bytes()
    assert data == (tmp_path / "kept" / "again.prints").read_bytes()
    assert b"a.mp3" not in data


def test_kept_pictures_compare_too_and_a_region_is_kept_with_them(tmp_path):
    settings = SharedSettings(shortest=6.0, region_start=1.0, region_end=15.0)
    small = {"size": (160, 90), "rate": 12}
    a = make_fingerprint(film(tmp_path / "a.mp4", [(4, 1), (9, 7), (3, 2)], **small), settings)
    b = make_fingerprint(film(tmp_path / "b.mp4", [(6, 3), (9, 7)], **small), settings)
    for fingerprint in (a, b):
        save_fingerprint(fingerprint, tmp_path / f"{fingerprint.path.stem}.prints")
    kept = [load_fingerprint(tmp_path / f"{x.path.stem}.prints", x.path) for x in (a, b)]
    assert kept[0].sound is None
    found = compare(*kept, settings)
    assert said(found) == said(compare(a, b, settings))
    (one,) = found
    assert (one.a.segment.start, one.a.segment.end) == pytest.approx((4, 13), abs=0.1)


def test_damaged_prints_are_refused_and_never_believed(tmp_path):
    a = write(tmp_path / "a.m4a", spliced(story(3, 1), song(6, 2)), **CHEAP)
    whole = tmp_path / "a.prints"
    save_fingerprint(make_fingerprint(a, SOUND), whole)
    data = whole.read_bytes()
    path = tmp_path / "bad.prints"
    refused = 0
    for seed in range(400):
        content = Damaged(whole, seed, tmp_path, load_fingerprint).content()
        path.write_bytes(content)
        if content == data:
            continue
        try:
            load_fingerprint(path, a)
        except FeatureError as error:
            refused += str(path) in str(error)
    # Blanks in the header, and metadata that is not read, may differ.
    assert refused > 380
    path.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    with pytest.raises(FeatureError, match="digest"):
        load_fingerprint(path, a)
    with pytest.raises(FeatureError, match="there is no such file"):
        load_fingerprint(tmp_path / "gone.prints", a)


def test_what_is_gone_since_is_told_as_any_media_error(tmp_path):
    theme = song(8, 1)
    a = write(tmp_path / "a.m4a", theme, **CHEAP)
    b = write(tmp_path / "b.m4a", spliced(story(3, 2), theme), **CHEAP)
    first, second = make_fingerprint(a, SOUND), make_fingerprint(b, SOUND)
    b.unlink()
    with pytest.raises(MediaError, match=r"b\.m4a"):
        compare(first, second, SOUND)
