"""All seconds of an episode are looked at: a song that no window of 200 s holds is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from avtnet.dense import inference
from avtnet.dense.episode import find_segments_in_episode
from avtnet.dense.info import SHIPPED
from avtnet.predict import PredictConfig, predict
from avtnet.search.request import LocateConfig
from avtnet.search.walk import search
from avtnet.synthesis.encode import encode
from avtnet.synthesis.film import PLAIN, Film
from avtnet.synthesis.material import find_material
from avtnet.synthesis.outline import Outline, OutlineStretch
from clipping.errors import FeatureError
from preprocess import FeatureSettings
from preprocess.batch.command import PreprocessConfig, preprocess
from preprocess.episode import Episode, open_episode

OPENING = 202.4, 288.7
LENGTH = 495.0


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An episode whose opening is in neither window; longer than what the network sees at once."""
    folder = tmp_path_factory.mktemp("late") / "media"
    folder.mkdir()
    parts = (
        OutlineStretch("story", 0.0, OPENING[0], 110),
        OutlineStretch("opening", *OPENING, 111),
        OutlineStretch("story", OPENING[1], LENGTH, 112),
    )
    size = (142, 80)
    film = Film(Outline("late", 11, parts, 11), size, find_material(None, "test"), PLAIN)
    sound = film.mastered(0.0, LENGTH)
    encode(folder / "late.mp4", film.pictures(1), sound, size=size, rate=1, crf=24)
    return folder


@pytest.fixture(scope="module")
def kept(late: Path) -> Episode:
    """All of its seconds as features."""
    output = late.parent / "features"
    (outcome,) = preprocess(PreprocessConfig((str(late),), output, sides="whole", workers=0))
    assert outcome.output is not None
    return open_episode(outcome.output)


def test_an_opening_after_the_first_window_is_found_in_the_whole_file(
    late: Path, kept: Episode
) -> None:
    config = LocateConfig(
        (str(late),), features=kept.path.parent, cache=late.parent / "cache", workers=0
    )
    (short,) = search(config)
    assert short.timeline.segments == ()
    assert len(short.seen) == 2
    (whole,) = search(replace(config, look="whole"))
    (opening,) = whole.timeline.segments
    assert opening.label == "opening"
    assert opening.score is not None
    assert opening.score > 0.8
    assert opening.start == pytest.approx(OPENING[0], abs=0.4)
    assert opening.end == pytest.approx(OPENING[1], abs=0.4)
    assert [window.side for window in whole.seen] == ["start", "end"]  # for pictures and text


def test_a_file_of_a_whole_episode_is_as_good_as_the_media(kept: Episode) -> None:
    (found,) = search(LocateConfig((str(kept.path),), workers=0))
    (segment,) = found.timeline.segments
    assert segment.start == pytest.approx(OPENING[0], abs=0.4)
    assert found.timeline.duration == pytest.approx(LENGTH, abs=0.1)
    positions, failures = predict(PredictConfig((str(kept.path),), weights=SHIPPED))
    assert {str(window) for window in positions} == {"late_start", "late_end"}
    assert not failures


def test_parts_say_what_the_whole_says(kept: Episode) -> None:
    (part,) = find_segments_in_episode(kept)
    (whole,) = inference.find_segments(kept.window(0, "start", kept.seconds))
    assert kept.seconds > inference.CHUNK
    assert (part.start, part.end) == pytest.approx((whole.start, whole.end), abs=0.03)
    assert part.score == pytest.approx(whole.score, abs=0.01)


def test_another_episodes_settings_are_refused(kept: Episode) -> None:
    other = replace(kept, settings=replace(kept.settings, text_engine="none"))
    with pytest.raises(FeatureError, match=r"^late: made with other settings.*text_engine"):
        find_segments_in_episode(other)
    assert kept.settings == FeatureSettings()


def test_a_damaged_file_is_one_failure_among_others(kept: Episode, tmp_path: Path) -> None:
    (tmp_path / "bad.episode").write_bytes(kept.path.read_bytes()[:-5000])
    (tmp_path / "good.episode").write_bytes(kept.path.read_bytes())
    bad, good = search(LocateConfig((str(tmp_path),), workers=0))
    assert bad.timeline.error is not None
    assert "bad.episode" in bad.timeline.error
    assert len(good.timeline.segments) == 1
    positions, failures = predict(PredictConfig((str(tmp_path),), weights=SHIPPED))
    assert {window.name for window in positions} == {"good"}
    assert list(failures) == ["bad"]
