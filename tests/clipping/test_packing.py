"""Packed features come back bit by bit, in parts too, and what is packed is not trusted."""

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from clipping.errors import FeatureError
from clipping.packing import (
    join_blocks,
    pack_floats,
    pack_frames,
    pack_masks,
    pack_samples,
    split_blocks,
    unpack_floats,
    unpack_frames,
    unpack_masks,
    unpack_samples,
)

frames = st.tuples(st.integers(0, 5), st.just(3), st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: arrays.arrays(np.uint8, shape)
)
KINDS = [
    (pack_frames, unpack_frames, frames),
    (pack_samples, unpack_samples, arrays.arrays(np.int16, st.integers(0, 200))),
    (pack_floats, unpack_floats, arrays.arrays(np.float32, st.tuples(st.just(4), st.just(7)))),
    (pack_masks, unpack_masks, arrays.arrays(np.bool_, st.tuples(st.just(3), st.integers(0, 9)))),
]


def film(count=150):
    """Pictures that move, stand still and change at once, as in an episode."""
    y, x = np.mgrid[:66, :88]
    random = np.random.default_rng(0)
    shots = []
    for shot in range(0, count, 10):
        for second in range(10):
            place = x + (second * 3 if shot % 20 else 0)
            picture = np.stack([place + shot, y * 2 + shot, place + y + 30])
            shots.append(picture + random.integers(0, 3, picture.shape) * (shot % 30 == 0))
    return np.stack(shots[:count]).astype(np.uint8)


@pytest.mark.parametrize(("pack", "unpack", "values"), KINDS)
def test_what_is_packed_comes_back_bit_by_bit(pack, unpack, values):
    @given(values)
    def holds(before):
        kept = before.copy()
        after = np.empty_like(before)
        unpack(pack(before), after)
        assert after.tobytes() == before.tobytes() == kept.tobytes()

    holds()


def test_extremes_of_sound_do_not_overflow():
    for samples in ([-32768, 32767] * 50, [32767] * 9, np.arange(-32768, 32768, 7)):
        before = np.array(samples, np.int16)
        after = np.empty_like(before)
        unpack_samples(pack_samples(before), after)
        np.testing.assert_array_equal(before, after)


def test_packing_pays_where_pictures_and_tones_are_smooth():
    pictures = film()
    assert pack_frames(pictures).nbytes < pictures.nbytes / 5
    tone = (np.sin(np.arange(50_000) / 9) * 9000).astype(np.int16)
    assert pack_samples(tone).nbytes < tone.nbytes / 2
    coefficients = np.random.default_rng(0).normal(size=(20, 8616)).astype(np.float32)
    assert pack_floats(coefficients).nbytes < coefficients.nbytes * 0.9
    masks = np.zeros((200, 27, 36), bool)
    masks[50:, 20:22] = True
    assert pack_masks(masks).nbytes < 1000


@given(st.integers(0, 150), st.integers(0, 150))
def test_a_part_is_read_of_the_blocks_that_hold_it(one, other):
    first, until = sorted((one, other))
    pictures = FILM
    asked = []

    def read(name):
        asked.append(name)
        return BLOCKS[name]

    out = np.empty((until - first, *pictures.shape[1:]), np.uint8)
    join_blocks("frames", read, out, unpack_frames, 64, total=150, first=first)
    np.testing.assert_array_equal(out, pictures[first:until])
    if until > first:
        assert asked == [f"frames.{block}" for block in range(first // 64, (until - 1) // 64 + 1)]


FILM = film()[:, :, :10, :12]
BLOCKS = split_blocks("frames", FILM, pack_frames, 64)


def test_black_bars_come_back_and_cost_nothing():
    boxed = np.zeros((10, 3, 66, 88), np.uint8)
    boxed[:, :, 8:58] = film(10)[:, :, 8:58]
    bare = np.ascontiguousarray(boxed[:, :, 8:58])
    after = np.full_like(boxed, 7)
    unpack_frames(pack_frames(boxed), after)
    np.testing.assert_array_equal(after, boxed)
    assert pack_frames(boxed).nbytes == pack_frames(bare).nbytes
    assert pack_frames(np.zeros_like(boxed)).nbytes < 50
    outside = pack_frames(boxed)
    outside[2] = 67
    with pytest.raises(FeatureError, match="outside of 88x66"):
        unpack_frames(outside, after)


def test_a_part_that_is_not_there_is_refused():
    out = np.empty((10, *FILM.shape[1:]), np.uint8)
    with pytest.raises(FeatureError, match="141 to 151 is not within 0 to 150"):
        join_blocks("frames", BLOCKS.__getitem__, out, unpack_frames, 64, total=150, first=141)
    with pytest.raises(FeatureError, match="claim to be"):
        join_blocks("frames", BLOCKS.__getitem__, out, unpack_frames, 64, total=151, first=141)


def test_a_bomb_is_refused_before_it_is_opened():
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 26))
    assert len(bomb) < 1 << 14
    for _, unpack, _ in KINDS:
        out = np.empty((1, 3, 4, 4), np.uint8) if unpack is unpack_frames else np.empty(9, np.int16)
        with pytest.raises(FeatureError, match=f"claim to be {1 << 26} bytes, not"):
            unpack(np.frombuffer(head(unpack, out) + bomb, np.uint8), out)


def head(unpack, out):
    """The bytes before the zstd frame: the box of the part that is not black."""
    if unpack is not unpack_frames:
        return b""
    return np.array([0, out.shape[2], 0, out.shape[3]], "<u2").tobytes()


def lying(size, claimed):
    """A zstd frame of ``size`` zeros whose header says it were ``claimed``."""
    frame = bytearray(zstandard.ZstdCompressor().compress(bytes(size)))
    kind = frame[4] >> 6
    at, width = (5, {0: 1, 1: 2, 2: 4}[kind])
    offset = 256 if kind == 1 else 0
    assert int.from_bytes(frame[at : at + width], "little") + offset == size
    frame[at : at + width] = (claimed - offset).to_bytes(width, "little")
    return np.frombuffer(bytes(frame), np.uint8)


def test_a_block_that_lies_about_its_size_is_refused():
    for size in (50_000, 499):
        with pytest.raises(FeatureError, match="damaged"):
            unpack_masks(lying(size, 500), np.empty((4, 1000), bool))


@pytest.mark.parametrize("extra", [b"\0", zstandard.ZstdCompressor().compress(b"more")])
def test_bytes_behind_a_block_are_refused(extra):
    packed = np.frombuffer(pack_masks(np.ones(9, bool)).tobytes() + extra, np.uint8)
    with pytest.raises(FeatureError, match="damaged"):
        unpack_masks(packed, np.empty(9, bool))


def test_every_flipped_bit_and_every_cut_is_seen():
    packed = pack_frames(FILM[:9])
    out = np.empty_like(FILM[:9])
    for place in range(0, len(packed), 7):
        broken = packed.copy()
        broken[place] ^= 1 << place % 8
        try:
            unpack_frames(broken, out)
        except FeatureError:
            continue
        if place >= 8:  # behind the box; a bit that zstd does not look at
            np.testing.assert_array_equal(out, FILM[:9])
    for length in [*range(0, len(packed), 7), *range(len(packed) - 9, len(packed))]:
        with pytest.raises(FeatureError):
            unpack_frames(packed[:length], out)


def test_other_claims_inside_a_block_are_refused():
    def block(data):
        return np.frombuffer(zstandard.ZstdCompressor().compress(data), np.uint8)

    with pytest.raises(FeatureError, match="order 3"):
        unpack_samples(block(bytes([3, 0, 0])), np.empty(1, np.int16))
    out = np.empty((2, 3, 1, 1), np.uint8)
    for flags in (b"\1\0", b"\0\2"):
        boxed = head(unpack_frames, out) + block(flags + bytes(6)).tobytes()
        with pytest.raises(FeatureError, match="repeat"):
            unpack_frames(np.frombuffer(boxed, np.uint8), out)
    with pytest.raises(FeatureError, match="are bytes, got int16"):
        unpack_masks(np.zeros(3, np.int16), np.empty(1, bool))
