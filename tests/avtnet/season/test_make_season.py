"""The made seasons are what their truth says: else nothing measured on them would mean anything."""

import itertools

import numpy as np
import pytest
from making.season import SCENARIOS, make_scenario, make_season
from making.season_material import Recorded
from making.season_picture import piece_pictures
from making.season_plan import FRAMES_PER_SECOND, EpisodePlan, Piece, Reel, Track
from making.season_series import RELEASES, Series, taken
from making.season_sound import SAMPLE_RATE, piece_sound, sample
from making.shared import song, spliced, story, write

from clipping.media.frames import frames_at
from clipping.media.probe import probe
from clipping.media.sound import read_audio

FRAME = 1 / FRAMES_PER_SECOND


@pytest.mark.parametrize("release", RELEASES, ids=lambda each: f"{each.video}-{each.audio}")
def test_song_and_picture_start_and_end_at_the_truth_whatever_the_codec(tmp_path, release):
    series = Series("a", 1, "test")
    opening = series.opening(1, seconds=6.125)
    pieces = (*series.story(3.375, 1), opening, *series.story(4.0, 2))
    plan = EpisodePlan("a", pieces, release)
    (truth,) = make_season(tmp_path, [plan])["a" + release.suffix]
    assert (truth.start, truth.end, truth.label) == (3.375, 9.5, "opening")
    path = tmp_path / plan.file

    sound = read_audio(path, rate=SAMPLE_RATE)
    song = piece_sound(opening, sample(49))
    for place, part in ((0, song[:20000]), (len(song) - 20000, song[-20000:])):
        first = round(truth.start * SAMPLE_RATE) + place - 2000
        fits = np.correlate(sound[first : first + 24000], part, mode="valid")
        assert abs(int(np.argmax(fits)) - 2000) / SAMPLE_RATE < 0.004

    times = [truth.start - FRAME, truth.start, truth.end - FRAME, truth.end]
    seen = [frame.rgb(release.size).mean(axis=2) for frame in frames_at(path, times)]
    differences = [np.abs(b - a).mean() for a, b in itertools.pairwise(seen)]
    assert min(differences[0], differences[2]) > 8  # cuts
    for picture, drawn in zip(
        seen[1:3], list(piece_pictures(opening, release.size))[::48], strict=True
    ):
        luma = (drawn[0][: release.size[1]].astype(float) - 16) * 255 / 219
        assert np.abs(picture - luma).mean() < 14


def test_a_piece_is_the_same_wherever_it_stands_and_unlike_all_others():
    series = Series("a", 1, "test")
    opening, story = series.opening(1, seconds=12), series.story(40.0, 1)
    again = piece_sound(Series("a", 1, "test").opening(2, seconds=12), sample(96))
    assert np.array_equal(piece_sound(opening, sample(96)), again)
    whole = np.concatenate([piece_sound(each, sample(round(each.seconds * 8))) for each in story])
    (part,) = taken(story, 8.0, 12.0, "recap")
    inside = slice(sample(64) + 200, sample(96) - 200)
    repeated = piece_sound(part, sample(32))[200:-200]
    assert np.allclose(whole[inside], repeated)
    assert part.label == "recap"
    assert part.seconds == 4.0
    # No second of the story is like another one.
    seconds = whole[: len(whole) // SAMPLE_RATE * SAMPLE_RATE].reshape(-1, SAMPLE_RATE)
    spectra = np.fft.rfft(seconds, 2 * SAMPLE_RATE)
    power = np.linalg.norm(seconds, axis=1)
    for a, b in itertools.combinations(range(len(seconds)), 2):
        fits = np.fft.irfft(spectra[a] * spectra[b].conj()).max() / (power[a] * power[b])
        assert fits < 0.6, (a, b)


def test_songs_and_voices_can_be_cut_from_recordings(tmp_path):
    (tmp_path / "music").mkdir()
    for number in range(3):
        (tmp_path / "speech" / f"{number}").mkdir(parents=True)
        tune = song(50.0, number)
        write(tmp_path / "music" / f"{number}.flac", spliced(silence(2.0), tune), codec="flac")
        write(tmp_path / "speech" / f"{number}" / "a.wav", story(8.0, number), codec="pcm_s16le")
    plans = SCENARIOS["alone"](1, "test")
    material = Recorded(tmp_path / "music", tmp_path / "speech", plans)
    opening, ending = (each for each in plans[0].pieces if each.label)
    samples = sample(round(opening.seconds * FRAMES_PER_SECOND))
    first = piece_sound(opening, samples, material)
    again = Recorded(tmp_path / "music", tmp_path / "speech", plans)
    assert np.array_equal(first, piece_sound(opening, samples, again))
    other = piece_sound(ending, samples, material)
    sources = [song(50.0, number) for number in range(3)]
    repetition = [
        [fits(part[:22050], source) > 0.9 for source in sources] for part in (first, other)
    ]
    assert sorted(map(sum, repetition)) == [1, 1]
    assert repetition[0] != repetition[1]  # each from a file of its own
    for end in (first[:4410], first[-4410:]):
        assert np.sqrt(np.mean(np.square(end))) > 0.03
    japanese, dubbed = (
        piece_sound(
            Piece(6.0, (Track("talk", 1, voices=voices),), Reel("black")), sample(48), material
        )
        for voices in (0, 1)
    )
    assert np.sqrt(np.mean(np.square(japanese))) > 0.02
    assert fits(japanese[22050:44100], dubbed) < 0.7


def silence(seconds):
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def fits(part, whole):
    """The greatest normalized correlation of a part with places in something longer, 0..1."""
    size = 1 << int(np.ceil(np.log2(len(part) + len(whole))))
    spectra = np.fft.rfft(part, size).conj() * np.fft.rfft(whole, size)
    products = np.fft.irfft(spectra, size)[: len(whole) - len(part) + 1]
    powers = np.concatenate([[0.0], np.cumsum(np.square(whole), dtype=np.float64)])
    power = powers[len(part) :] - powers[: -len(part)]
    return float(np.max(products / np.sqrt(np.sum(np.square(part)) * power + 1e-9)))


def test_songs_begin_and_end_audibly():
    for kind, seed, seconds in itertools.product(
        ("opening", "ending"), range(4), (20.0, 24.0, 90.0)
    ):
        piece = Piece(seconds, (Track(kind, seed),), Reel("black"), kind)
        song = piece_sound(piece, sample(round(seconds * 8)))
        loudness = np.sqrt(np.mean(np.square(song)))
        for end in (song[:4410], song[-4410:]):
            assert np.sqrt(np.mean(np.square(end))) > 0.2 * loudness, (kind, seed)


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("scale", ["test", "full"])
def test_every_scenario_is_as_long_as_it_should_be(name, scale):
    plans = SCENARIOS[name](1, scale)
    assert len({plan.file for plan in plans}) == len(plans)
    assert plans == SCENARIOS[name](1, scale) != SCENARIOS[name](2, scale)
    for plan in plans:
        episodes = 2 if name == "double" and plan is plans[0] else 1
        low, high = (1380, 1560) if scale == "full" else (60, 260)
        assert low * episodes < plan.duration < high * episodes
        truth = plan.truth
        assert all(a.end <= b.start for a, b in itertools.pairwise(truth))
        assert not truth or truth[-1].end <= plan.duration
    if scale == "full" and name != "alone":
        assert 5 <= len(plans) <= 13


def test_a_season_is_made_and_made_again(tmp_path):
    truth = make_scenario("duplicates", tmp_path)
    names = sorted(truth)
    assert names == sorted(path.name for path in tmp_path.iterdir())
    copy = next(name for name in names if " copy" in name)
    original = tmp_path / copy.replace(" copy", "")
    assert (tmp_path / copy).read_bytes() == original.read_bytes()
    for plan in SCENARIOS["duplicates"](1, "test"):
        info = probe(tmp_path / plan.file)
        assert info.duration == pytest.approx(plan.duration, abs=0.15)
        assert info.video is not None
        assert info.audio
    original.unlink()
    written = (tmp_path / copy).stat().st_mtime_ns
    assert make_scenario("duplicates", tmp_path) == truth
    assert original.exists()
    assert (tmp_path / copy).stat().st_mtime_ns == written


def test_damaged_files_are_damaged(tmp_path):
    plans = SCENARIOS["corrupt"](1, "test")[1:3]
    truth = make_season(tmp_path, plans)
    assert truth[plans[0].file] == []
    assert [segment.label for segment in truth[plans[1].file]] == ["opening"]
    assert read_audio(tmp_path / plans[1].file, rate=8000).size > truth[plans[1].file][0].end * 8000
